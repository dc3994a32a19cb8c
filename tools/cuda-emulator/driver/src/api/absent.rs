//! Entry points that programs link but that the emulator does not have: they say so and abort.

use crate::fault::fault;

macro_rules! absent {
    ($($name:ident)*) => {$(
        #[unsafe(no_mangle)]
        extern "C" fn $name() -> ! {
            fault(concat!(stringify!($name), " is not emulated"))
        }
    )*};
}

absent! {
    cuDestroyExternalMemory
    cuExternalMemoryGetMappedBuffer
    cuImportExternalMemory
    cuOccupancyAvailableDynamicSMemPerBlock
    cuOccupancyMaxActiveBlocksPerMultiprocessorWithFlags
    cuOccupancyMaxActiveClusters
    cuOccupancyMaxPotentialBlockSize
    cuOccupancyMaxPotentialBlockSizeWithFlags
    cuOccupancyMaxPotentialClusterSize
}
