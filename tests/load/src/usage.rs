//! What a process has used of the machine.

use std::fs;

use crate::Outcome;

/// In what Linux tells processor time to programs, on every architecture that this runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// The processor time of a process so far, in seconds, to a hundredth; `None` where the system does not tell.
pub fn cpu_seconds(pid: u32) -> Outcome<Option<f64>> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Ok(None) };
    // The fields after the program's name, which may have spaces: proc(5) counts utime and stime as 14 and 15.
    let (_, fields) = stat.rsplit_once(')').ok_or("/proc/…/stat without a name")?;
    let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Some(ticks as f64 / TICKS_PER_SECOND))
}
