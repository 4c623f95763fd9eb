//! The latest readings of the machine of a run, as text: what telemetry logged below `system/`.

use super::metrics::of_runs;
use super::source::TopSource;
use crate::error::CliResult;
use crate::text::{human_bytes, printable};
use std::collections::BTreeMap;
use tidalite::Pattern;

/// The readings that are shown.
const READINGS: [&str; 7] = [
    "system/cpu/total_percent",
    "system/memory/used_bytes",
    "system/memory/available_bytes",
    "system/gpu/utilization_percent",
    "system/gpu/memory_used_bytes",
    "system/gpu/power_watts",
    "system/gpu/temperature_celsius",
];

/// One text for the computer, and one for each GPU. Empty without telemetry.
pub(super) fn readings(source: &TopSource, run: &str) -> CliResult<Vec<String>> {
    let select = of_runs(source, &[run]);
    let select = READINGS.iter().fold(select, |select, metric| select.metrics(Pattern::exact(*metric)));
    let mut computers: BTreeMap<String, [Option<f64>; READINGS.len()]> = BTreeMap::new();
    let mut gpus = computers.clone();
    for (key, summary) in select.summaries()? {
        let at = READINGS.iter().position(|name| **name == *key.metric);
        let (Some(at), Some(last)) = (at, summary.last) else { continue };
        let devices = if key.metric.starts_with("system/gpu/") { &mut gpus } else { &mut computers };
        devices.entry(key.labels.to_string()).or_default()[at] = Some(last.value);
    }
    let computers = computers.iter().map(|(labels, values)| described(labels, values));
    let gpus = gpus.iter().map(|(labels, values)| {
        let number = labels.strip_prefix("gpu=").filter(|rest| !rest.contains(','));
        described(&number.map_or(labels.clone(), |number| format!("gpu {number}")), values)
    });
    Ok(computers.chain(gpus).collect())
}

fn described(name: &str, values: &[Option<f64>; READINGS.len()]) -> String {
    let bytes = |value: f64| human_bytes(value.max(0.0) as u64);
    let [cpu, used, free, gpu, memory, power, heat] = *values;
    let ram = used.map(|used| match free {
        Some(free) => format!("memory {} of {}", bytes(used), bytes(used + free)),
        None => format!("memory {}", bytes(used)),
    });
    let words = [
        Some(printable(name)).filter(|name| !name.is_empty()),
        cpu.map(|percent| format!("cpu {percent:.0} %")),
        ram,
        gpu.map(|percent| format!("{percent:.0} %")),
        memory.map(bytes),
        power.map(|watts| format!("{watts:.0} W")),
        heat.map(|celsius| format!("{celsius:.0} °C")),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readings_have_units_and_absent_ones_are_left_out() {
        let computer = [Some(37.2), Some(12e9), Some(52e9), None, None, None, None];
        assert_eq!(described("", &computer), "cpu 37 %  memory 12 GB of 64 GB");
        let gpu = [None, None, None, Some(93.0), Some(41e9), Some(310.4), None];
        assert_eq!(described("gpu 0", &gpu), "gpu 0  93 %  41 GB  310 W");
    }
}
