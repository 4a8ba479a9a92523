//! The scenarios by the clock: `npm run bench:core -- time`.

use ackwire_benches::scenarios;
use criterion::{BatchSize, Criterion, Throughput};

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    for scenario in scenarios() {
        let mut group = criterion.benchmark_group(scenario.name);
        group.throughput(Throughput::Elements(scenario.units));
        group.bench_function(scenario.unit, |bencher| {
            bencher.iter_batched(|| scenario.prepare(), |work| work(), BatchSize::PerIteration);
        });
        group.finish();
    }
    criterion.final_summary();
}
