//! What the protocol's core is measured with: both ends by themselves, on virtual time, without a socket, a browser or a
//! database. `npm run bench:core` takes the time and counts the instructions.
#![cfg(not(target_arch = "wasm32"))]

mod feed;
mod session;
mod wire;

/// Something to measure.
pub struct Scenario {
    /// What is done, in words; the name under which its figures are kept.
    pub name: &'static str,
    /// What its work is counted in: `event` or `frame`.
    pub unit: &'static str,
    /// How much of that one run does.
    pub units: u64,
    /// Whether it is too long for callgrind, under which everything takes fifty times as long.
    pub is_long: bool,
    prepare: Box<dyn Fn() -> Work>,
}

/// One run, everything that it needs being there.
type Work = Box<dyn FnOnce()>;

impl Scenario {
    fn new(name: &'static str, (units, unit): (u64, &'static str), prepare: impl Fn() -> Work + 'static) -> Self {
        Self { name, unit, units, is_long: false, prepare: Box::new(prepare) }
    }

    fn long(self) -> Self {
        Self { is_long: true, ..self }
    }

    /// Makes what a run needs, which is not measured.
    pub fn prepare(&self) -> Work {
        (self.prepare)()
    }
}

/// All of them.
pub fn scenarios() -> Vec<Scenario> {
    [session::scenarios(), feed::scenarios(), wire::scenarios()].into_iter().flatten().collect()
}
