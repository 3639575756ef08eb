//! The cost of sampling many listeners, and of accepting with and without measuring the waiting time.
//!
//! Without divan: the cases alternate within one run, since the machine's speed varies.
#![allow(clippy::print_stdout, reason = "a benchmark prints its results")]
#![allow(clippy::unwrap_used, reason = "a benchmark may panic")]

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    linux::main();
}

#[cfg(target_os = "linux")]
mod linux {
    use std::net::{TcpListener, TcpStream};
    use std::os::unix::net::UnixListener;
    use std::path::PathBuf;
    use std::time::{Duration, Instant};

    use campanile_backlog::{AsFd, BacklogMonitor, WaitRecorder};
    use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};

    const ROUNDS: usize = 301;
    const LISTENERS: usize = 100;
    const ACCEPTS: usize = 100;

    pub(super) fn main() {
        println!("{:<44} {:>9} {:>9}", "case", "quiet", "median");
        samples();
        accepts();
    }

    fn samples() {
        let tcp = |count: usize| -> Vec<_> {
            (0..count)
                .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
                .collect()
        };
        let (none, one, many) = (tcp(0), tcp(1), tcp(LISTENERS));
        let paths: Vec<PathBuf> = (0..LISTENERS)
            .map(|number| {
                std::env::temp_dir().join(format!("campanile-bench-{}-{number}", std::process::id()))
            })
            .collect();
        let unix: Vec<_> = paths
            .iter()
            .map(|path| UnixListener::bind(path).unwrap())
            .collect();
        let mut cases = [
            ("sample: no listener", monitor(&none)),
            ("sample: 1 TCP listener", monitor(&one)),
            ("sample: 100 TCP listeners", monitor(&many)),
            ("sample: 100 unix listeners", monitor(&unix)),
        ];
        // Without a listener the namespace counters are not read either.
        let mut times = [const { Vec::new() }; 4];
        for _ in 0..ROUNDS {
            for ((_, monitor), times) in cases.iter_mut().zip(&mut times) {
                let begin = Instant::now();
                monitor.sample();
                times.push(begin.elapsed());
            }
        }
        for ((name, _), times) in cases.iter().zip(&mut times) {
            print(name, times, 1);
        }
        for path in paths {
            let _ = std::fs::remove_file(path);
        }
    }

    fn accepts() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let waits = WaitRecorder::new("bench").with_recorder(&IdleRecorder);
        let off = WaitRecorder::new("off").with_measuring(false);
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            for (times, waits) in times.iter_mut().zip([None, Some(&off), Some(&waits)]) {
                let clients: Vec<_> = (0..ACCEPTS)
                    .map(|_| TcpStream::connect(listener.local_addr().unwrap()).unwrap())
                    .collect();
                let mut accepted = Vec::with_capacity(ACCEPTS);
                let begin = Instant::now();
                for _ in 0..ACCEPTS {
                    let (connection, _) = listener.accept().unwrap();
                    if let Some(waits) = waits {
                        waits.record(&connection);
                    }
                    accepted.push(connection);
                }
                times.push(begin.elapsed());
                drop((accepted, clients));
            }
        }
        let names = [
            "accept: bare",
            "accept: waiting time off",
            "accept: waiting time measured",
        ];
        for (name, times) in names.iter().zip(&mut times) {
            print(name, times, ACCEPTS);
        }
    }

    fn monitor<L: AsFd>(listeners: &[L]) -> BacklogMonitor {
        let mut monitor = BacklogMonitor::new().with_recorder(&IdleRecorder);
        for listener in listeners {
            monitor.watch(listener).unwrap();
        }
        monitor.sample();
        monitor
    }

    /// Prints the 5th percentile and the median.
    fn print(name: &str, times: &mut [Duration], per: usize) {
        times.sort_unstable();
        let at = |index: usize| times[index].as_secs_f64() * 1e6 / per as f64;
        println!(
            "{name:<44} {:>6.2} us {:>6.2} us",
            at(times.len() / 20),
            at(times.len() / 2)
        );
    }

    /// Returns handles that record nothing.
    struct IdleRecorder;

    impl Recorder for IdleRecorder {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
            Counter::noop()
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }
}
