//! Samples CPU, memory, disks, networks, this process, and NVIDIA GPUs.
//!
//! A sample reads only what it reports, and disks are listed once a minute. Without GPUs a sample takes about 0.5 ms,
//! so 20 samples per second use 1 % of a core. GPUs are read through NVIDIA's management library, loaded at run time.
//! If the library or a reading is missing, its series are absent; that is not an error.
//!
//! Counters (bytes read, written, received, sent) are totals since the system started. CPU use is the average since the
//! previous refresh; on Linux it is refreshed at most every 200 ms.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use nvml_wrapper::Nvml;
use nvml_wrapper::enum_wrappers::device::TemperatureSensor;
use sysinfo::{
    DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, Networks, Pid, ProcessRefreshKind,
    ProcessesToUpdate, System,
};

/// The time between listings of the disks.
const DISKS_INTERVAL: Duration = Duration::from_secs(60);
/// NVML reports milliwatts.
const MILLI: f64 = 1e-3;

/// One value of one telemetry series.
///
/// | metric | label |
/// |---|---|
/// | `cpu/total_percent`, `load/one_minute`, `load/five_minutes`, `load/fifteen_minutes` | |
/// | `cpu/core_percent` | `core` |
/// | `memory/used_bytes`, `memory/available_bytes`, `swap/used_bytes`, `process/resident_bytes` | |
/// | `disk/free_bytes`, `disk/read_bytes`, `disk/written_bytes` | `disk`: its mount point |
/// | `network/received_bytes`, `network/sent_bytes` | `interface` |
/// | `gpu/utilization_percent`, `gpu/memory_used_bytes`, `gpu/temperature_celsius`, `gpu/power_watts` | `gpu`: index |
///
/// Read, written, received and sent bytes are totals since the system started. A value that the system does not report
/// is absent.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SystemReading {
    /// The metric's name. The last word is the unit, except for `load/`.
    pub metric: &'static str,
    /// The `core`, `disk`, `interface` or `gpu`, if the metric has several series.
    pub labels: Vec<(String, String)>,
    /// The value in the metric's unit.
    pub value: f64,
}

/// Samples the machine: CPU, memory, disks, networks, this process, and NVIDIA GPUs. Keeps state that makes repeated
/// samples cheap.
///
/// ```
/// let readings = tidalite::system::Sampler::new().sample();
/// assert!(readings.iter().any(|r| r.metric == "memory/used_bytes" && r.value > 0.0));
/// ```
#[derive(Debug)]
pub struct Sampler {
    system: System,
    disks: Disks,
    disks_listed: Instant,
    networks: Networks,
    process: Option<Pid>,
    nvml: Option<Nvml>,
    started: Instant,
}

impl Default for Sampler {
    fn default() -> Self {
        Self::new()
    }
}

impl Sampler {
    /// Lists what can be sampled.
    pub fn new() -> Self {
        let mut system = System::new();
        system.refresh_cpu_usage();
        Sampler {
            system,
            disks: list_disks(),
            disks_listed: Instant::now(),
            networks: Networks::new_with_refreshed_list(),
            process: sysinfo::get_current_pid().ok(),
            nvml: Nvml::init().ok(),
            started: Instant::now(),
        }
    }

    /// Reads everything once. CPU use is absent from samples less than 200 ms (on Linux) after [`new`](Self::new).
    pub fn sample(&mut self) -> Vec<SystemReading> {
        let mut readings = Vec::with_capacity(64);
        self.processors(&mut readings);
        self.memory(&mut readings);
        self.disks(&mut readings);
        self.networks(&mut readings);
        if let Some(nvml) = &self.nvml {
            gpus(nvml, &mut readings);
        }
        readings
    }

    /// The model of each GPU, by index. Empty without GPUs.
    pub fn gpu_names(&self) -> Vec<String> {
        let Some(nvml) = &self.nvml else { return Vec::new() };
        let count = nvml.device_count().unwrap_or(0);
        (0..count).filter_map(|i| nvml.device_by_index(i).and_then(|d| d.name()).ok()).collect()
    }

    fn processors(&mut self, readings: &mut Vec<SystemReading>) {
        self.system.refresh_cpu_usage();
        if self.started.elapsed() > MINIMUM_CPU_UPDATE_INTERVAL {
            readings.push(plain("cpu/total_percent", f64::from(self.system.global_cpu_usage())));
            for (core, cpu) in self.system.cpus().iter().enumerate() {
                let value = f64::from(cpu.cpu_usage());
                readings.push(labelled("cpu/core_percent", "core", &core.to_string(), value));
            }
        }
        let load = System::load_average();
        readings.push(plain("load/one_minute", load.one));
        readings.push(plain("load/five_minutes", load.five));
        readings.push(plain("load/fifteen_minutes", load.fifteen));
    }

    fn memory(&mut self, readings: &mut Vec<SystemReading>) {
        self.system.refresh_memory();
        readings.push(plain("memory/used_bytes", self.system.used_memory() as f64));
        readings.push(plain("memory/available_bytes", self.system.available_memory() as f64));
        readings.push(plain("swap/used_bytes", self.system.used_swap() as f64));
        if let Some(pid) = self.process {
            let kind = ProcessRefreshKind::nothing().with_memory().without_tasks();
            self.system.refresh_processes_specifics(ProcessesToUpdate::Some(&[pid]), false, kind);
            if let Some(process) = self.system.process(pid) {
                readings.push(plain("process/resident_bytes", process.memory() as f64));
            }
        }
    }

    fn disks(&mut self, readings: &mut Vec<SystemReading>) {
        if self.disks_listed.elapsed() > DISKS_INTERVAL {
            self.disks = list_disks();
            self.disks_listed = Instant::now();
        }
        // A device mounted at several places is one disk, named by its first mount point.
        let mut seen = HashSet::new();
        for disk in self.disks.list_mut() {
            if !seen.insert(disk.name().to_os_string()) {
                continue;
            }
            disk.refresh_specifics(disk_kind());
            let mount = disk.mount_point().to_string_lossy().into_owned();
            let usage = disk.usage();
            let values = [
                ("disk/free_bytes", disk.available_space()),
                ("disk/read_bytes", usage.total_read_bytes),
                ("disk/written_bytes", usage.total_written_bytes),
            ];
            readings.extend(values.map(|(metric, v)| labelled(metric, "disk", &mount, v as f64)));
        }
    }

    fn networks(&mut self, readings: &mut Vec<SystemReading>) {
        self.networks.refresh(true);
        let mut interfaces: Vec<_> = self.networks.list().iter().collect();
        interfaces.sort_by_key(|(name, _)| *name);
        // Interfaces without traffic are left out: container hosts have hundreds.
        interfaces.retain(|(_, data)| data.total_received() + data.total_transmitted() > 0);
        for (name, data) in interfaces {
            let values = [
                ("network/received_bytes", data.total_received()),
                ("network/sent_bytes", data.total_transmitted()),
            ];
            readings.extend(values.map(|(metric, v)| labelled(metric, "interface", name, v as f64)));
        }
    }
}

fn disk_kind() -> DiskRefreshKind {
    DiskRefreshKind::nothing().with_storage().with_io_usage()
}

fn list_disks() -> Disks {
    Disks::new_with_refreshed_list_specifics(disk_kind())
}

fn gpus(nvml: &Nvml, readings: &mut Vec<SystemReading>) {
    for index in 0..nvml.device_count().unwrap_or(0) {
        let Ok(device) = nvml.device_by_index(index) else { continue };
        let values = [
            ("gpu/utilization_percent", device.utilization_rates().map(|u| f64::from(u.gpu))),
            ("gpu/memory_used_bytes", device.memory_info().map(|m| m.used as f64)),
            ("gpu/temperature_celsius", device.temperature(TemperatureSensor::Gpu).map(f64::from)),
            ("gpu/power_watts", device.power_usage().map(|p| f64::from(p) * MILLI)),
        ];
        let gpu = index.to_string();
        let present = values.into_iter().filter_map(|(metric, v)| v.ok().map(|v| (metric, v)));
        readings.extend(present.map(|(metric, v)| labelled(metric, "gpu", &gpu, v)));
    }
}

fn plain(metric: &'static str, value: f64) -> SystemReading {
    SystemReading { metric, labels: Vec::new(), value }
}

fn labelled(metric: &'static str, key: &str, label: &str, value: f64) -> SystemReading {
    SystemReading { metric, labels: vec![(key.into(), label.into())], value }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sample_has_memory_load_and_this_process() {
        let readings = Sampler::new().sample();
        for metric in ["memory/used_bytes", "memory/available_bytes", "swap/used_bytes", "load/one_minute"] {
            assert_eq!(readings.iter().filter(|r| r.metric == metric).count(), 1, "{metric}");
        }
        let resident = readings.iter().find(|r| r.metric == "process/resident_bytes").unwrap();
        assert!(resident.value > 100_000.0, "{resident:?}");
    }

    #[test]
    fn cpu_use_is_a_percentage_once_there_is_an_average() {
        let mut sampler = Sampler::new();
        assert!(sampler.sample().iter().all(|r| !r.metric.starts_with("cpu/")));
        std::thread::sleep(MINIMUM_CPU_UPDATE_INTERVAL + Duration::from_millis(20));
        let readings = sampler.sample();
        let total: Vec<_> = readings.iter().filter(|r| r.metric == "cpu/total_percent").collect();
        assert_eq!(total.len(), 1);
        assert!((0.0..=100.0).contains(&total[0].value));
        assert!(readings.iter().any(|r| r.metric == "cpu/core_percent"));
    }

    #[test]
    fn series_of_a_sample_are_distinct_and_values_finite() {
        let mut sampler = Sampler::new();
        let readings = sampler.sample();
        let series: HashSet<_> = readings.iter().map(|r| (r.metric, &r.labels)).collect();
        assert_eq!(series.len(), readings.len());
        assert!(readings.iter().all(|r| r.value.is_finite() && r.value >= 0.0));
    }

    #[test]
    fn gpus_have_series_exactly_if_they_have_names() {
        let mut sampler = Sampler::new();
        let gpu_series = sampler.sample().iter().filter(|r| r.metric.starts_with("gpu/")).count();
        assert_eq!(gpu_series > 0, !sampler.gpu_names().is_empty());
    }
}
