//! `metrics.jsonl`: the records of a run, one JSON object per line, only ever appended to.

use crate::{Error, Record, write_atomic};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The metrics file of a run that is under way.
///
/// A line counts once its line end is there: what a kill in mid-write leaves behind it is ignored
/// by [`read`] and removed by [`MetricsFile::resume`].
#[derive(Debug)]
pub struct MetricsFile {
    path: PathBuf,
    file: File,
    /// Bytes of whole lines.
    length: u64,
}

impl MetricsFile {
    /// Starts a new, empty file.
    ///
    /// # Errors
    /// [`Error::Exists`] when there is one, [`Error::Write`] when it cannot be made.
    pub fn create(path: &Path) -> Result<Self, Error> {
        match OpenOptions::new().append(true).create_new(true).open(path) {
            Ok(file) => Ok(Self { path: path.into(), file, length: 0 }),
            Err(reason) if reason.kind() == io::ErrorKind::AlreadyExists => {
                Err(Error::Exists { path: path.into() })
            }
            Err(reason) => Err(Error::Write { path: path.into(), reason }),
        }
    }

    /// Takes up the file of a run that goes on from a checkpoint made after `after_step` updates.
    ///
    /// Records of later steps are dropped, because those steps are about to be done again, and so
    /// is a last line without its end. The file is replaced in one go; a kill meanwhile leaves the
    /// old one.
    ///
    /// A record of the checkpoint's own step is kept, so append an epoch's record before the
    /// checkpoint that follows it.
    ///
    /// # Errors
    /// [`Error::Read`] when there is no such file, [`Error::Malformed`] when another line is
    /// broken, [`Error::Write`] when the new file cannot be written.
    pub fn resume(path: &Path, after_step: u64) -> Result<Self, Error> {
        let mut kept = Vec::new();
        for record in read(path)?.iter().filter(|record| record.step() <= after_step) {
            kept.extend(line(record).map_err(|reason| Error::Write { path: path.into(), reason })?);
        }
        write_atomic(path, &kept)?;
        let file = OpenOptions::new().append(true).open(path);
        let file = file.map_err(|reason| Error::Write { path: path.into(), reason })?;
        Ok(Self { path: path.into(), file, length: kept.len() as u64 })
    }

    /// Appends one record. It is in the file, safe from a kill, when this returns; an epoch's
    /// record, which a [`Summary`](crate::Summary) needs, is also safe from a power cut.
    ///
    /// # Errors
    /// [`Error::Write`], for instance on a full disk. The records before stay whole.
    pub fn append(&mut self, record: &Record) -> Result<(), Error> {
        self.write(record).map_err(|reason| {
            // Half a line must not stand before a later one; as the last line it would do no harm.
            let _ = self.file.set_len(self.length);
            Error::Write { path: self.path.clone(), reason }
        })
    }

    fn write(&mut self, record: &Record) -> io::Result<()> {
        let line = line(record)?;
        self.file.write_all(&line)?;
        if let Record::Epoch(_) = record {
            self.file.sync_data()?;
        }
        self.length += line.len() as u64;
        Ok(())
    }
}

/// Reads the records of a run, which may be running or have been killed: a last line without its
/// end is left out.
///
/// # Errors
/// [`Error::Read`], or [`Error::Malformed`] with the line.
pub fn read(path: &Path) -> Result<Vec<Record>, Error> {
    let bytes = fs::read(path).map_err(|reason| Error::Read { path: path.into(), reason })?;
    let lines = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let records = (1..).zip(lines).map(|(number, line)| {
        serde_json::from_slice(line).map_err(|reason| Error::Malformed {
            path: path.into(),
            line: number,
            reason,
        })
    });
    records.collect()
}

fn line(record: &Record) -> io::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(record)?;
    line.push(b'\n');
    Ok(line)
}
