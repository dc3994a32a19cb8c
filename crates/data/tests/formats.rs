//! Every format: a small data set that reads back exactly, and each way to damage it.

#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use image::{DynamicImage, ImageFormat, RgbImage};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use trickbag_data::{
    Augment, Batch, CifarBinary, Dataset, Error, Expect, Facts, Idx, ImageFolder, Keep, Loading,
    OnError, Order, Source, Subset,
};

/// Writes a data set into a folder.
type Build = fn(&Path) -> Source;

/// A way to damage the data set in a folder.
type Damage = fn(&Path);

/// Makes a data set with `build`, damages it, and expects this error (`DIR` is its folder) from a
/// look at the facts where `early`, and from opening it always.
fn check(build: Build, damage: Damage, when: When, expected: &str) {
    let folder = TempDir::new().unwrap();
    let source = build(folder.path());
    damage(folder.path());
    let message = |error: Error| {
        let dir = folder.path().display().to_string();
        error.to_string().replace(&dir, "DIR")
    };
    check_text(&message(Dataset::open(&source, Keep::Decoded).unwrap_err()), expected);
    match when {
        When::Facts => check_text(&message(source.facts().unwrap_err()), expected),
        When::Open => assert!(source.facts().is_ok(), "{expected}"),
    }
}

/// Equal, but for a "..." where the operating system or a decoder speaks.
fn check_text(found: &str, expected: &str) {
    let right = match expected.split_once("...") {
        Some((start, end)) => found.starts_with(start) && found.ends_with(end),
        None => found == expected,
    };
    assert!(right, "found\n{found}\nexpected\n{expected}");
}

/// When damage shows first.
#[derive(Clone, Copy)]
enum When {
    Facts,
    Open,
}

fn overwrite(path: PathBuf, change: fn(&mut Vec<u8>)) {
    let mut contents = fs::read(&path).unwrap();
    change(&mut contents);
    fs::write(path, contents).unwrap();
}

// IDX

fn idx_images(count: u8, height: u8, width: u8) -> Vec<u8> {
    let mut file = vec![0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, height, 0, 0, 0, width];
    file.extend((0..count * height * width).map(|i| i * 3));
    file
}

fn idx_labels(labels: &[u8]) -> Vec<u8> {
    [&[0, 0, 8, 1, 0, 0, 0, labels.len() as u8], labels].concat()
}

fn idx(folder: &Path) -> Source {
    fs::write(folder.join("train-images-idx3-ubyte"), idx_images(3, 2, 4)).unwrap();
    fs::write(folder.join("train-labels-idx1-ubyte"), idx_labels(&[0, 2, 1])).unwrap();
    fs::write(folder.join("t10k-images-idx3-ubyte"), idx_images(2, 2, 4)).unwrap();
    fs::write(folder.join("t10k-labels-idx1-ubyte"), idx_labels(&[2, 2])).unwrap();
    Source::Idx(Idx { path: folder.to_owned() })
}

fn gzip(path: PathBuf) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(&fs::read(&path).unwrap()).unwrap();
    fs::remove_file(&path).unwrap();
    fs::write(format!("{}.gz", path.display()), encoder.finish().unwrap()).unwrap();
}

#[test]
fn idx_files_read_back_under_each_of_their_names() {
    let as_they_are: Damage = |_| {};
    let with_a_dot: Damage = |folder| {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_str().unwrap().replace("-idx", ".idx");
            fs::rename(&path, folder.join(name)).unwrap();
        }
    };
    let gzipped: Damage = |folder| {
        fs::read_dir(folder).unwrap().for_each(|entry| gzip(entry.unwrap().path()));
    };
    for rename in [as_they_are, with_a_dot, gzipped] {
        let folder = TempDir::new().unwrap();
        let source = idx(folder.path());
        rename(folder.path());
        let dataset = Dataset::open(&source, Keep::Decoded).unwrap();
        let facts =
            Facts { train_len: 3, val_len: 2, classes: 3, height: 2, width: 4, channels: 1 };
        assert_eq!((*dataset.facts(), source.facts().unwrap()), (facts, facts));
        assert_eq!(dataset.class_names(), ["0", "1", "2"]);
        assert_eq!(dataset.train().labels(), [0, 2, 1]);
        assert_eq!(dataset.val().labels(), [2, 2]);
        assert_eq!(dataset.train().image(2).unwrap().pixels(), [48, 51, 54, 57, 60, 63, 66, 69]);
        assert_eq!(dataset.val().image(0).unwrap().pixels(), [0, 3, 6, 9, 12, 15, 18, 21]);
    }
}

#[test]
fn damaged_idx_files_are_refused() {
    let cases: [(Damage, &str); 10] = [
        (
            |dir| fs::remove_dir_all(dir).unwrap(),
            "no file train-images-idx3-ubyte or train-images-idx3-ubyte.gz or \
             train-images.idx3-ubyte or train-images.idx3-ubyte.gz in DIR",
        ),
        (
            |dir| fs::remove_file(dir.join("t10k-labels-idx1-ubyte")).unwrap(),
            "no file t10k-labels-idx1-ubyte or t10k-labels-idx1-ubyte.gz or \
             t10k-labels.idx1-ubyte or t10k-labels.idx1-ubyte.gz in DIR",
        ),
        (
            |dir| fs::write(dir.join("train-images-idx3-ubyte"), idx_labels(&[9; 20])).unwrap(),
            "DIR/train-images-idx3-ubyte starts with 0x00000801, expected 0x00000803: it is not \
             the IDX file that its name says",
        ),
        (
            |dir| overwrite(dir.join("train-images-idx3-ubyte"), |file| file.truncate(30)),
            "DIR/train-images-idx3-ubyte has 30 bytes (uncompressed), expected 40: fetch it again",
        ),
        (
            |dir| overwrite(dir.join("t10k-images-idx3-ubyte"), |file| file.push(0)),
            "DIR/t10k-images-idx3-ubyte has 33 bytes (uncompressed), expected 32: fetch it again",
        ),
        (
            |dir| overwrite(dir.join("train-labels-idx1-ubyte"), |file| file.truncate(5)),
            "DIR/train-labels-idx1-ubyte has 5 bytes (uncompressed), expected 8: fetch it again",
        ),
        (
            |dir| fs::write(dir.join("train-labels-idx1-ubyte"), idx_labels(&[1; 4])).unwrap(),
            "DIR/train-images-idx3-ubyte has 3 images but DIR/train-labels-idx1-ubyte has 4 \
             labels: they do not belong together",
        ),
        (
            |dir| {
                gzip(dir.join("train-images-idx3-ubyte"));
                overwrite(dir.join("train-images-idx3-ubyte.gz"), |file| file.truncate(20));
            },
            "cannot read DIR/train-images-idx3-ubyte.gz: ...",
        ),
        (
            |dir| fs::write(dir.join("t10k-images-idx3-ubyte"), idx_images(2, 4, 2)).unwrap(),
            "DIR has training images of [2, 4, 1] and validation images of [4, 2, 1] (height, \
             width, channels)",
        ),
        (
            |dir| fs::write(dir.join("t10k-labels-idx1-ubyte"), idx_labels(&[2, 3])).unwrap(),
            "DIR has label 3, expected less than 3",
        ),
    ];
    for (damage, expected) in cases {
        check(idx, damage, When::Facts, expected);
    }
}

// CIFAR

/// A record whose red, green and blue planes count up from 0, 10 and 20.
fn cifar_record(labels: &[u8]) -> Vec<u8> {
    let planes =
        [0, 10, 20].into_iter().flat_map(|start| (0..1024).map(move |i| (start + i) as u8));
    labels.iter().copied().chain(planes).collect()
}

fn cifar10(folder: &Path) -> Source {
    for batch in 1..=5 {
        let path = folder.join(format!("data_batch_{batch}.bin"));
        fs::write(path, [cifar_record(&[batch]), cifar_record(&[0])].concat()).unwrap();
    }
    fs::write(folder.join("test_batch.bin"), cifar_record(&[9])).unwrap();
    Source::Cifar10(CifarBinary { path: folder.to_owned() })
}

fn cifar100(folder: &Path) -> Source {
    fs::write(folder.join("train.bin"), cifar_record(&[19, 99])).unwrap();
    fs::write(folder.join("test.bin"), cifar_record(&[3, 42])).unwrap();
    Source::Cifar100(CifarBinary { path: folder.to_owned() })
}

fn check_cifar(build: Build, train: &[u32], val: &[u32], [first, last]: [&str; 2]) {
    let folder = TempDir::new().unwrap();
    let dataset = Dataset::open(&build(folder.path()), Keep::Decoded).unwrap();
    assert_eq!((dataset.train().labels(), dataset.val().labels()), (train, val));
    let names = dataset.class_names();
    assert_eq!((names[0].as_str(), names[names.len() - 1].as_str()), (first, last));
    assert!(names.is_sorted() && [10, 100].contains(&names.len()), "{names:?}");
    let image = dataset.train().image(0).unwrap();
    assert_eq!(image.shape(), [32, 32, 3]);
    assert_eq!(image.pixels()[..6], [0, 10, 20, 1, 11, 21]);
}

#[test]
fn cifar_files_read_back() {
    check_cifar(cifar10, &[1, 0, 2, 0, 3, 0, 4, 0, 5, 0], &[9], ["airplane", "truck"]);
    check_cifar(cifar100, &[99], &[42], ["apple", "worm"]);
}

#[test]
fn damaged_cifar_files_are_refused() {
    let cases: [(Build, Damage, &str); 5] = [
        (
            cifar10,
            |dir| fs::remove_file(dir.join("data_batch_4.bin")).unwrap(),
            "no file data_batch_4.bin in DIR",
        ),
        (
            cifar10,
            |dir| overwrite(dir.join("data_batch_2.bin"), |file| file.truncate(5000)),
            "DIR/data_batch_2.bin has 5000 bytes, expected whole records of 3073: fetch it again",
        ),
        (
            cifar10,
            |dir| overwrite(dir.join("data_batch_2.bin"), |file| file[0] = 10),
            "DIR has label 10, expected less than 10",
        ),
        (
            cifar10,
            |dir| overwrite(dir.join("test_batch.bin"), Vec::clear),
            "DIR has 10 training and 0 validation images, expected some of both",
        ),
        (
            cifar100,
            |dir| overwrite(dir.join("train.bin"), |file| file.truncate(3073)),
            "DIR/train.bin has 3073 bytes, expected whole records of 3074: fetch it again",
        ),
    ];
    for (build, damage, expected) in cases {
        check(build, damage, When::Facts, expected);
    }
}

// Image folders

/// An image of one colour.
fn picture(width: u32, height: u32, value: u8) -> DynamicImage {
    RgbImage::from_pixel(width, height, image::Rgb([value, 2 * value, 200])).into()
}

fn folder_source(folder: &Path) -> ImageFolder {
    ImageFolder {
        path: folder.to_owned(),
        size: 6,
        crop: 1.0,
        on_error: OnError::Stop,
        expect: None,
    }
}

/// Two classes, three images to train on in each and one to validate on.
fn image_folder(folder: &Path) -> Source {
    for class in ["ants", "bees"] {
        for split in ["train", "val"] {
            fs::create_dir_all(folder.join(split).join(class)).unwrap();
        }
        let train = folder.join("train").join(class);
        picture(6, 6, 10).save(train.join("a.png")).unwrap();
        picture(9, 7, 20).save(train.join("b.JPG")).unwrap();
        picture(5, 8, 30).save(train.join("c.jpeg")).unwrap();
        picture(20, 10, 40).save(folder.join("val").join(class).join("d.png")).unwrap();
    }
    fs::write(folder.join("train/.DS_Store"), "hidden").unwrap();
    fs::write(folder.join("val/bees/.hidden.jpg"), "hidden").unwrap();
    Source::ImageFolder(folder_source(folder))
}

#[test]
fn an_image_folder_reads_back() {
    let folder = TempDir::new().unwrap();
    let source = image_folder(folder.path());
    // The content decides, not which of the extensions it has.
    picture(6, 6, 50)
        .save_with_format(folder.path().join("train/bees/z.jpg"), ImageFormat::Png)
        .unwrap();
    let facts = Facts { train_len: 7, val_len: 2, classes: 2, height: 6, width: 6, channels: 3 };
    for keep in [Keep::Decoded, Keep::Files] {
        let dataset = Dataset::open(&source, keep).unwrap();
        assert_eq!((*dataset.facts(), source.facts().unwrap()), (facts, facts));
        assert_eq!(dataset.class_names(), ["ants", "bees"]);
        assert_eq!(dataset.train().labels(), [0, 0, 0, 1, 1, 1, 1]);
        assert!(dataset.skipped().files.is_empty());
        for (index, value) in [(0, 10), (1, 20), (2, 30), (6, 50)] {
            let image = dataset.train().image(index).unwrap();
            assert_eq!(image.shape(), [6, 6, 3], "{index}");
            let expected = [value, 2 * value, 200].into_iter().cycle();
            let near = |(found, expected): (&u8, u8)| found.abs_diff(expected) <= 3;
            assert!(image.pixels().iter().zip(expected).all(near), "{index} {image:?}");
        }
        assert_eq!(dataset.train().original(1).unwrap().shape(), [7, 9, 3]);
    }
}

#[test]
fn grey_transparent_and_16_bit_images_become_rgb() {
    let folder = TempDir::new().unwrap();
    let source = image_folder(folder.path());
    let grey = picture(6, 6, 77).to_luma8().get_pixel(0, 0)[0];
    let picture = picture(6, 6, 77);
    let cases = [
        (DynamicImage::from(picture.to_luma8()), [grey; 3]),
        (picture.to_luma_alpha8().into(), [grey; 3]),
        (picture.to_rgba8().into(), [77, 154, 200]),
        (picture.to_rgb16().into(), [77, 154, 200]),
    ];
    for (variant, expected) in cases {
        variant.save(folder.path().join("train/ants/a.png")).unwrap();
        let dataset = Dataset::open(&source, Keep::Decoded).unwrap();
        let image = dataset.train().image(0).unwrap();
        assert_eq!(image.pixels()[..3], expected, "{:?}", variant.color());
    }
}

/// Each odd file that a folder can hold, when it shows, and what is said about it.
const ODD_FILES: [(Damage, When, &str); 9] = [
    (
        |dir| fs::write(dir.join("train/ants/notes.txt"), "x").unwrap(),
        When::Facts,
        "DIR/train/ants/notes.txt: the name does not end in .jpg, .jpeg or .png",
    ),
    (
        |dir| fs::write(dir.join("train/ants/x.gif"), "GIF89a").unwrap(),
        When::Facts,
        "DIR/train/ants/x.gif: the name does not end in .jpg, .jpeg or .png",
    ),
    (
        |dir| fs::write(dir.join("val/stray.png"), "x").unwrap(),
        When::Facts,
        "DIR/val/stray.png: expected a folder per class, with image files right inside it",
    ),
    (
        |dir| fs::create_dir(dir.join("val/bees/deeper")).unwrap(),
        When::Facts,
        "DIR/val/bees/deeper: expected a folder per class, with image files right inside it",
    ),
    (
        |dir| fs::write(dir.join("train/bees/g.png"), "GIF89a").unwrap(),
        When::Open,
        "DIR/train/bees/g.png: the content is neither JPEG nor PNG",
    ),
    (
        |dir| fs::write(dir.join("train/bees/empty.jpg"), "").unwrap(),
        When::Open,
        "DIR/train/bees/empty.jpg: the content is neither JPEG nor PNG",
    ),
    (
        |dir| {
            let path = dir.join("train/bees/cut.jpg");
            picture(64, 64, 5).save(&path).unwrap();
            overwrite(path, |file| file.truncate(file.len() - 40));
        },
        When::Open,
        "DIR/train/bees/cut.jpg: truncated: the JPEG ends before its end-of-image marker",
    ),
    (
        |dir| {
            let path = dir.join("val/ants/cut.png");
            picture(64, 64, 5).save(&path).unwrap();
            overwrite(path, |file| file.truncate(file.len() / 2));
        },
        When::Open,
        "DIR/val/ants/cut.png: does not decode: ...",
    ),
    (
        |dir| fs::create_dir(dir.join("train/ants/folder.png")).unwrap(),
        When::Open,
        "DIR/train/ants/folder.png: unreadable: ...",
    ),
];

fn with_odd_file(damage: Damage, on_error: OnError) -> (TempDir, Source) {
    let folder = TempDir::new().unwrap();
    image_folder(folder.path());
    damage(folder.path());
    let source = ImageFolder { on_error, ..folder_source(folder.path()) };
    (folder, Source::ImageFolder(source))
}

#[test]
fn odd_files_stop_the_run_and_are_named() {
    for (damage, when, line) in ODD_FILES {
        let (folder, source) = with_odd_file(damage, OnError::Stop);
        let expected = format!(
            "1 file cannot be used:\n  {line}\n\
             remove them, or set `on_error: Skip` to leave them out"
        );
        let dir = folder.path().display().to_string();
        let message = |error: Error| error.to_string().replace(&dir, "DIR");
        for keep in [Keep::Decoded, Keep::Files] {
            check_text(&message(Dataset::open(&source, keep).unwrap_err()), &expected);
        }
        match when {
            When::Facts => check_text(&message(source.facts().unwrap_err()), &expected),
            When::Open => assert!(source.facts().is_ok(), "{line}"),
        }
    }
}

#[test]
fn odd_files_are_skipped_on_request() {
    for (damage, when, line) in ODD_FILES {
        let (_folder, source) = with_odd_file(damage, OnError::Skip);
        for keep in [Keep::Decoded, Keep::Files] {
            let dataset = Dataset::open(&source, keep).unwrap();
            let facts = dataset.facts();
            assert_eq!((facts.train_len, facts.val_len, facts.classes), (6, 2, 2), "{line}");
            assert_eq!(dataset.train().labels(), [0, 0, 0, 1, 1, 1], "{line}");
            assert_eq!(dataset.skipped().files.len(), 1, "{line}");
            let listed = source.facts().unwrap();
            let counted_by_name = matches!(when, When::Open) as usize;
            assert_eq!(listed.train_len + listed.val_len, 8 + counted_by_name, "{line}");
        }
    }
}

#[test]
fn of_many_odd_files_ten_are_named() {
    let (_folder, source) = with_odd_file(
        |dir| (0..12).for_each(|i| fs::write(dir.join(format!("val/ants/{i}.txt")), "").unwrap()),
        OnError::Stop,
    );
    let message = source.facts().unwrap_err().to_string();
    assert!(message.starts_with("12 files cannot be used:\n"), "{message}");
    assert_eq!(message.matches(".txt:").count(), 10);
    assert!(message.contains("\n  and 2 more\n"), "{message}");
}

#[test]
fn impossible_image_folders_are_refused() {
    let cases: [(Damage, &str); 5] = [
        (
            |dir| fs::remove_dir_all(dir).unwrap(),
            "no folder DIR: expected images in DIR/train/CLASS/ and DIR/val/CLASS/; correct \
             `path`, put the images there, or give `expect` to plan without them",
        ),
        (
            |dir| fs::remove_dir_all(dir.join("val")).unwrap(),
            "no folder DIR/val: expected images in DIR/train/CLASS/ and DIR/val/CLASS/; correct \
             `path`, put the images there, or give `expect` to plan without them",
        ),
        (
            |dir| fs::create_dir(dir.join("train/wasps")).unwrap(),
            "no usable images in DIR/train/wasps: add some or remove the folder",
        ),
        (
            |dir| fs::create_dir(dir.join("val/wasps")).unwrap(),
            "DIR/val/wasps has no counterpart in train: the classes are those of train",
        ),
        (
            |dir| {
                fs::remove_dir_all(dir.join("val/ants")).unwrap();
                fs::remove_dir_all(dir.join("val/bees")).unwrap();
            },
            "DIR has 6 training and 0 validation images, expected some of both",
        ),
    ];
    for (damage, expected) in cases {
        check(image_folder, damage, When::Facts, expected);
    }
}

#[test]
fn impossible_settings_of_an_image_folder_are_refused() {
    let source = |size, crop| ImageFolder { size, crop, ..folder_source(Path::new("nowhere")) };
    let crop = "expected a fraction above 0 and at most 1 (for example 0.875)";
    let cases = [
        (source(0, 1.0), "`size` is 0, expected the side of the images in pixels".to_owned()),
        (source(6, 0.0), format!("`crop` is 0, {crop}")),
        (source(6, 1.1), format!("`crop` is 1.1, {crop}")),
        (source(6, f64::NAN), format!("`crop` is NaN, {crop}")),
    ];
    for (folder, expected) in cases {
        let error = Source::ImageFolder(folder).facts().unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn expect_stands_in_for_a_missing_folder_and_is_held_against_an_existing_one() {
    let folder = TempDir::new().unwrap();
    image_folder(folder.path());
    let expect = Expect { train: 7, val: 2, classes: 2 };
    let source = |path: PathBuf, expect| {
        let expect = Some(expect);
        Source::ImageFolder(ImageFolder { path, expect, ..folder_source(folder.path()) })
    };
    let there = |expect| source(folder.path().to_owned(), expect);

    let missing = source(folder.path().join("missing"), expect);
    let facts = missing.facts().unwrap();
    assert_eq!((facts.train_len, facts.val_len, facts.classes), (7, 2, 2));
    assert!(matches!(Dataset::open(&missing, Keep::Files), Err(Error::MissingFolder { .. })));

    assert!(there(Expect { train: 6, ..expect }).facts().is_ok());
    let expected = format!(
        "{} holds 6 training and 2 validation images of 2 classes, but `expect` says 7 training \
         and 2 validation images of 2 classes; correct one of the two",
        folder.path().display()
    );
    assert_eq!(there(expect).facts().unwrap_err().to_string(), expected);
    let error = Dataset::open(&there(expect), Keep::Decoded).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

fn batches(dataset: &Dataset, augment: Vec<Augment>) -> Result<Vec<Batch>, Error> {
    let normalize = folder_source(Path::new("any"));
    let normalize = Source::ImageFolder(normalize).normalize();
    let Facts { height, width, .. } = *dataset.facts();
    let (size, order) = ([height, width], Order::Shuffled);
    let loading = Loading { seed: 3, batch_size: 2, size, order, augment, normalize };
    dataset.train_batches(&loading, 0, 0)?.collect()
}

#[test]
fn keeping_decoded_images_changes_no_batch() {
    let folder = TempDir::new().unwrap();
    let source = image_folder(folder.path());
    let [decoded, files] =
        [Keep::Decoded, Keep::Files].map(|keep| Dataset::open(&source, keep).unwrap());
    for augment in [vec![], vec![Augment::RandomResizedCrop, Augment::HorizontalFlip]] {
        let from_memory = batches(&decoded, augment.clone()).unwrap();
        assert_eq!(from_memory.len(), 3);
        assert_eq!(from_memory, batches(&files, augment).unwrap());
    }
    let subset = Subset { fraction: 0.7, seed: 1 };
    let [decoded, files] = [decoded, files].map(|dataset| dataset.subset(&subset).unwrap());
    assert_eq!(batches(&decoded, vec![]).unwrap().len(), 2);
    assert_eq!(batches(&decoded, vec![]).unwrap(), batches(&files, vec![]).unwrap());
}

/// Inside the pool, so that waiting for a batch occupies one of its threads.
#[test]
fn batches_do_not_depend_on_the_number_of_threads() {
    let folder = TempDir::new().unwrap();
    let dataset = Dataset::open(&image_folder(folder.path()), Keep::Files).unwrap();
    let augment = vec![Augment::RandomResizedCrop, Augment::HorizontalFlip];
    let [one, three] = [1, 3].map(|threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| batches(&dataset, augment.clone()).unwrap())
    });
    assert_eq!(one, three);
}

#[test]
fn a_file_that_breaks_after_opening_ends_the_epoch_with_its_name() {
    let folder = TempDir::new().unwrap();
    let dataset = Dataset::open(&image_folder(folder.path()), Keep::Files).unwrap();
    let broken = folder.path().join("train/bees/a.png");
    fs::write(&broken, "no longer").unwrap();
    let expected = format!(
        "cannot use {}: the content is neither JPEG nor PNG; remove it and resume (a set this \
         large is decoded during training, too late to skip a file)",
        broken.display()
    );
    assert_eq!(batches(&dataset, vec![]).unwrap_err().to_string(), expected);
}
