//! User, host, system, processors, memory and graphics processors, from what the kernel shows as files.

use super::fields::{CapturedFields, read, text, variable};
use std::path::Path;
use tidalite_model::Param;

/// The most bytes of a file that is read; a machine with hundreds of processors describes the first one there.
const BYTES_MAX: u64 = 64 << 10;
/// The most graphics processors that are named.
const GPUS_MAX: usize = 64;

pub(super) fn describe(found: &mut CapturedFields) {
    let file = |path: &str| read(Path::new(path), BYTES_MAX);
    found.put("user", variable("USER").or_else(|| variable("LOGNAME")).map(|user| text(&user)));
    found.put("host", file("/proc/sys/kernel/hostname").map(|host| text(host.trim())));
    let release = file("/proc/sys/kernel/osrelease").map(|release| format!(" {}", release.trim()));
    found.put("os", Some(text(&format!("{}{}", std::env::consts::OS, release.unwrap_or_default()))));
    let mut cpu = CapturedFields::default();
    let count = std::thread::available_parallelism().ok().and_then(|n| i64::try_from(n.get()).ok());
    cpu.put("count", count.map(Param::Int));
    cpu.put("model", file("/proc/cpuinfo").and_then(|info| after(&info, "model name")));
    found.put_map("cpu", Some(cpu.0));
    found.put("memory_bytes", file("/proc/meminfo").and_then(|info| memory_bytes(&info)));
    let gpus = gpus(Path::new("/proc/driver/nvidia/gpus"));
    found.put("gpus", (!gpus.is_empty()).then_some(Param::List(gpus)));
}

/// What follows a name and a colon on a line.
fn after(info: &str, name: &str) -> Option<Param> {
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'))?;
    Some(text(line.trim()))
}

fn memory_bytes(info: &str) -> Option<Param> {
    let Some(Param::Text(total)) = after(info, "MemTotal") else { return None };
    let kib: i64 = total.strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024).map(Param::Int)
}

/// The models, as NVIDIA's driver lists them.
#[expect(clippy::disallowed_methods, reason = "this folder is none of a store")]
fn gpus(folder: &Path) -> Vec<Param> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let mut paths: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).take(GPUS_MAX).collect();
    paths.sort();
    paths.iter().filter_map(|path| after(&read(&path.join("information"), BYTES_MAX)?, "Model")).collect()
}

#[test]
fn facts_are_read_from_what_the_kernel_shows() {
    let info =
        "processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nMemTotal:       16 kB\nModel: \t\t NVIDIA X\n";
    assert_eq!(after(info, "model name"), Some("Some CPU @ 2 GHz".into()));
    assert_eq!(after(info, "Model"), Some("NVIDIA X".into()));
    assert_eq!(memory_bytes(info), Some(Param::Int(16 << 10)));
    assert_eq!(gpus(Path::new("/nowhere")), []);
}
