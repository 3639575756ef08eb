//! Many processes that count in one directory, each in a file of its own.
//!
//! # The files
//!
//! | name | what it is |
//! |---|---|
//! | `campanile-1-<pid>-<random>.cells` | where a process counts, locked while it lives |
//! | the same with `.new` behind | such a file that is not yet whole |
//! | `campanile-1.archive` | what processes that are gone have counted |
//! | `campanile-1.lock` | locked by whoever writes the archive |
//! | `campanile.writer` | locked by whoever writes what the kernel owns |
//!
//! A process is alive while its file is locked (`flock`). The kernel unlocks it however the process ends, so neither
//! SIGKILL nor a pid that comes again nor another pid namespace can mislead anybody.
//!
//! # The layout of a file
//!
//! Words of 64 bits in the byte order of the machine. A file grows at its end and never shrinks; each part is on the disk
//! before it is mapped, and before a record names it.
//!
//! | word | holds |
//! |---|---|
//! | 0 | `campcell`; in another byte order it is another word |
//! | 1 | minor version, major version above |
//! | 2 | role: 1 of a process, 2 the archive |
//! | 3, 4 | pid; nanoseconds since 1970 when it began |
//! | 5 | the journal's first piece: its first word, its length above |
//! | 6 | words of records that can be read, stored last of all |
//! | 7 | of an archive: FNV-1a of all other words |
//! | 8 | registrations that found no room, not even for a series that counts them |
//! | 9 to 15 | nothing yet |
//!
//! The journal is a chain of pieces, each full of records. A record begins with a word of its kind, its length in words
//! above; records of unknown kinds are skipped, so a later minor version can add some.
//!
//! | kind | words behind the head |
//! |---|---|
//! | 1 the journal goes on | first word, length |
//! | 2 cells | block, slot above (all ones: shared); first word; length |
//! | 3 series | shape, gauge mode in the second byte; block, first word in it above; nanoseconds since 1970; length of the name, of the labels above; number of bounds; name; labels; bounds |
//! | 4 description | length of the name, of the help above; length of the unit; name; help; unit |
//! | 5 folded | length; name of a file whose counts are in this archive |
//!
//! | shape | words |
//! |---|---|
//! | 1 counter | the count |
//! | 2 gauge | a floating-point number |
//! | 3 histogram | a count for each bucket, the sum as a floating-point number |
//! | 4 histogram in the archive | a count for each bucket, the sum in four words |
//!
//! # Who does what
//!
//! [`new_file`] makes a process's file and [`own_file`] writes it; [`contents`] reads words, purely; [`mapped`] keeps a
//! file mapped; [`scan`] sees all files as they are at one moment; [`totals`] adds them up; [`fold`] moves the counts of
//! the dead to the [`archive`]; [`snapshot`] is what is rendered.

mod error;
mod gauge_mode;

#[cfg(unix)]
mod archive;
#[cfg(unix)]
mod clock;
#[cfg(unix)]
mod contents;
#[cfg(unix)]
mod directory;
#[cfg(unix)]
mod file_name;
#[cfg(unix)]
mod fold;
#[cfg(unix)]
mod folder;
#[cfg(unix)]
mod layout;
#[cfg(unix)]
mod limit;
#[cfg(all(test, unix, campanile_loom))]
mod loom_tests;
#[cfg(unix)]
mod mapped;
#[cfg(unix)]
mod moments;
#[cfg(unix)]
mod new_file;
#[cfg(unix)]
mod own_file;
#[cfg(all(test, unix))]
mod protocol_tests;
#[cfg(unix)]
mod record;
#[cfg(all(unix, any(test, fuzzing)))]
pub(crate) mod replay;
#[cfg(unix)]
mod room;
#[cfg(unix)]
mod scan;
#[cfg(unix)]
mod snapshot;
#[cfg(unix)]
mod totals;
#[cfg(unix)]
mod values;

#[cfg(not(unix))]
#[path = "elsewhere.rs"]
mod directory;

pub(crate) use self::directory::Directory;
#[cfg(not(unix))]
pub(crate) use self::directory::OwnFile;
#[cfg(unix)]
use self::gauge_mode::default_rules;
#[cfg(unix)]
pub(crate) use self::own_file::OwnFile;
pub use self::{error::DirectoryError, gauge_mode::GaugeMode};
