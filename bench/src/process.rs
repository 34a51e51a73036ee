//! What the kernel knows about a process: its CPU time and its resident memory, and how many descriptors we may open.
//! Starting and ending processes is `servers`'.

use std::io;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::time::{ClockId, clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;

/// The CPU clock of a process: user and system, all of its threads, also the ended ones, exact to the nanosecond.
#[derive(Debug, Clone, Copy)]
pub struct CpuClock {
    clock: ClockId,
}

impl CpuClock {
    /// The clock of the process `pid`.
    pub fn of(pid: u32) -> io::Result<Self> {
        Ok(Self { clock: clock_getcpuclockid(Pid::from_raw(pid.cast_signed()))? })
    }

    /// The CPU time it has used until now.
    pub fn read(self) -> io::Result<Duration> {
        Ok(clock_gettime(self.clock)?.into())
    }
}

/// Resident memory of a process in KiB, counted page by page by the kernel.
pub fn resident_kib(pid: u32) -> io::Result<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
    rollup
        .lines()
        .find_map(|line| line.strip_prefix("Rss:")?.trim().strip_suffix("kB")?.trim().parse().ok())
        .ok_or_else(|| io::Error::other("smaps_rollup has no Rss line"))
}

/// Raises this process's limit of descriptors as far as it may, and returns it.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    if soft < hard {
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    Ok(hard)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_of_this_process_moves_on() {
        let clock = CpuClock::of(std::process::id()).expect("own clock");
        let before = clock.read().expect("own clock");
        while clock.read().expect("own clock") == before {}
        assert!(resident_kib(std::process::id()).expect("own memory") > 0);
    }
}
