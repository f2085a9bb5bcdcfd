//! A power network of five buses: who generates how much, day ahead, and what it costs when the
//! demand turns out to be another.
//!
//! Day ahead, for the demand d that is forecast at each bus (direct-current approximation):
//!
//! ```text
//! minimize    sum over generators of c g (1 + r g / (2 g_max)),  plus 1000 for each MW not served
//! subject to  G g - d + (not served) = A f,   f = diag(1 / x) A' angle,   |f| <= limit,
//!             0 <= g <= g_max,  angle of the first bus = 0
//! ```
//!
//! The dual of the balance is the price at each bus (locational marginal price). With r = 0 these
//! are the costs of the literature: F. Li and R. Bo, "Small test systems for power system economic
//! studies", 2010; numbers as in `case5.m` of MATPOWER. When the true demand is known, what was
//! scheduled can still be changed, by a second program, at a loss.

use argrad::OnFailure;
use argrad::prelude::*;
use argrad_applications::command::Failure;

use crate::train::Task;

/// Buses, lines and generators.
pub const BUSES: usize = 5;
pub const LINES: usize = 6;
pub const GENERATORS: usize = 5;

/// Buses with demand, and its reference in MW.
pub const LOADS: [(usize, f64); 3] = [(1, 300.0), (2, 300.0), (3, 400.0)];

/// Two buses and the reactance between them, per unit of 100 MVA.
const REACTANCES: [(usize, usize, f64); LINES] = [
    (0, 1, 0.0281),
    (0, 3, 0.0304),
    (0, 4, 0.0064),
    (1, 2, 0.0108),
    (2, 3, 0.0297),
    (3, 4, 0.0297),
];

/// Lines with a limit, and that limit in MW; the others have none.
pub const LIMITS: [(usize, f64); 2] = [(0, 400.0), (5, 240.0)];

/// Bus, largest output in MW, cost of the first MWh in dollars, and by how many MW it can be raised
/// when the demand is known (an assumption of ours: the cheap ones are slow).
const PLANTS: [(usize, f64, f64, f64); GENERATORS] = [
    (0, 40.0, 14.0, 4.0),    // Alta
    (0, 170.0, 15.0, 17.0),  // Park City
    (2, 520.0, 30.0, 52.0),  // Solitude
    (3, 200.0, 40.0, 200.0), // Sundance
    (4, 600.0, 10.0, 30.0),  // Brighton
];

/// What a MWh costs that is demanded and not served.
const NOT_SERVED: f64 = 1000.0;
/// Late energy costs its price and half as much again; what is scheduled and not used gives back a
/// fifth of its cost.
const LATE: f64 = 1.5;
const BACK: f64 = 0.2;

/// The network day ahead and when the demand is known.
pub struct Network {
    /// Parameters: demand (3), limits (2). Outputs: generation (5), prices at the buses (5).
    day_ahead: Layer,
    /// Parameters: scheduled generation (5), demand (3), limits (2).
    real_time: Layer,
    rise: f64,
}

/// A schedule for each sample.
pub struct Schedule {
    /// MW, samples x generators.
    pub generation: Vec<f64>,
    /// Dollars for a MWh, samples x buses.
    pub prices: Vec<f64>,
    /// Dollars an hour.
    pub cost: Vec<f64>,
}

impl Network {
    /// The network, where the cost of a generator's last MWh is by the share `rise` above that of
    /// its first.
    ///
    /// # Errors
    /// When a problem does not compile.
    pub fn new(rise: f64) -> Result<Self, ModelError> {
        // A sample that the solver gives up on adds nothing to a step of training.
        let lenient = Differentiation { on_failure: OnFailure::Nan, ..Default::default() };
        Ok(Self {
            day_ahead: day_ahead(rise)?.with_differentiation(lenient),
            real_time: real_time()?.with_differentiation(lenient),
            rise,
        })
    }

    /// The schedule for a demand (samples x 3, MW), under these limits of [`LIMITS`].
    ///
    /// # Errors
    /// As [`Layer::solve`].
    pub fn schedule(&self, demand: &[f64], limits: &[f64]) -> Result<Schedule, ModelError> {
        let mut outputs = self.day_ahead.solve(&[demand, limits])?;
        let prices = outputs.values.swap_remove(1);
        let generation = outputs.values.swap_remove(0);
        Ok(Schedule { generation, prices, cost: outputs.objective })
    }

    /// The derivative of each sample's cost by each limit, in dollars for a MWh: by the envelope
    /// theorem, from the duals, without solving anything else.
    ///
    /// # Errors
    /// As [`Layer::forward`] and [`Layer::value_gradient`].
    pub fn worth_of_limits(&self, demand: &[f64], limits: &[f64]) -> Result<Vec<f64>, ModelError> {
        let (outputs, tape) = self.day_ahead.forward(&[demand, limits])?;
        let weights = vec![1.0; outputs.batch];
        Ok(self.day_ahead.value_gradient(&tape, &weights)?.swap_remove(1))
    }

    /// What the schedules themselves cost, and its derivative by each generation.
    fn scheduled_cost(&self, generation: &[f64]) -> (Vec<f64>, Vec<f64>) {
        let sample = |g: &[f64]| {
            let own = g.iter().zip(PLANTS);
            own.map(|(g, (_, most, first, _))| first * g * (1.0 + 0.5 * self.rise * g / most)).sum()
        };
        let costs = generation.chunks(GENERATORS).map(sample).collect();
        let marginal = generation.iter().zip(PLANTS.iter().cycle());
        let marginal =
            marginal.map(|(g, (_, most, first, _))| first * (1.0 + self.rise * g / most));
        (costs, marginal.collect())
    }
}

impl Task for Network {
    fn costs(&self, forecasts: &[f64], truth: &[f64]) -> Result<Vec<f64>, Failure> {
        let limits = LIMITS.map(|(_, limit)| limit);
        let generation = self.schedule(forecasts, &limits)?.generation;
        let changes = self.real_time.solve(&[&generation, truth, &limits])?;
        let (costs, _) = self.scheduled_cost(&generation);
        Ok(costs.iter().zip(&changes.objective).map(|(own, changes)| own + changes).collect())
    }

    fn graded(&self, forecasts: &[f64], truth: &[f64]) -> Result<(Vec<f64>, Vec<f64>), Failure> {
        let limits = LIMITS.map(|(_, limit)| limit);
        let (schedule, day_ahead) = self.day_ahead.forward(&[forecasts, &limits])?;
        let generation = &schedule[0];
        let (changes, real_time) = self.real_time.forward(&[generation, truth, &limits])?;
        let (costs, mut marginal) = self.scheduled_cost(generation);
        // Of the second program only its value is asked for: its gradient is that of the
        // Lagrangian. Of the first it is the solution: the gradient goes through the layer.
        let weights = vec![1.0; changes.batch];
        let by_schedule = &self.real_time.value_gradient(&real_time, &weights)?[0];
        marginal.iter_mut().zip(by_schedule).for_each(|(total, own)| *total += own);
        let mut gradient = self.day_ahead.backward(&day_ahead, &[&marginal, &[]])?.swap_remove(0);
        gradient.iter_mut().filter(|g| g.is_nan()).for_each(|g| *g = 0.0);
        let costs = costs.iter().zip(&changes.objective).map(|(own, changes)| own + changes);
        Ok((costs.collect(), gradient))
    }
}

fn day_ahead(rise: f64) -> Result<Layer, ModelError> {
    let model = Model::new();
    let demand = model.parameter(LOADS.len()).named("demand");
    let limits = model.parameter(LIMITS.len()).named("limits");
    let generation = model.variable(GENERATORS).named("generation");
    let unserved = model.variable(LOADS.len());
    let flows = Flows::new(&model, limits);
    let balance = flows.balance(generation, demand, unserved);
    let steepness = PLANTS.map(|(_, most, first, _)| (0.5 * rise * first / most).sqrt());
    let cost = generation.dot(PLANTS.map(|plant| plant.2)) + sum_squares(generation * steepness);
    let mut rules = flows.rules;
    rules.extend([
        balance,
        generation.geq(0.0),
        generation.leq(PLANTS.map(|plant| plant.1)),
        unserved.geq(0.0),
    ]);
    Problem::minimize(cost + NOT_SERVED * unserved.sum())
        .subject_to(rules)
        .compile([demand, limits], [Output::from(generation), balance.dual()])
}

fn real_time() -> Result<Layer, ModelError> {
    let model = Model::new();
    let scheduled = model.parameter(GENERATORS).named("scheduled");
    let demand = model.parameter(LOADS.len()).named("demand");
    let limits = model.parameter(LIMITS.len()).named("limits");
    let (up, down) = (model.variable(GENERATORS), model.variable(GENERATORS));
    let unserved = model.variable(LOADS.len());
    let generation = scheduled + up - down;
    let flows = Flows::new(&model, limits);
    let balance = flows.balance(generation, demand, unserved);
    let (late, back) = (PLANTS.map(|plant| LATE * plant.2), PLANTS.map(|plant| BACK * plant.2));
    let cost = up.dot(late) - down.dot(back) + NOT_SERVED * unserved.sum();
    let mut rules = flows.rules;
    rules.extend([
        balance,
        up.geq(0.0),
        up.leq(PLANTS.map(|plant| plant.3)),
        down.geq(0.0),
        generation.geq(0.0),
        generation.leq(PLANTS.map(|plant| plant.1)),
        unserved.geq(0.0),
    ]);
    Problem::minimize(cost).subject_to(rules).compile([scheduled, demand, limits], [up])
}

/// The lines of both programs.
struct Flows<'m> {
    /// Out of each bus.
    out: Expr<'m>,
    rules: Vec<Constraint<'m>>,
}

impl<'m> Flows<'m> {
    fn new(model: &'m Model, limits: Expr<'m>) -> Self {
        let angles = model.variable(BUSES);
        let mut susceptances = [[0.0; BUSES]; LINES];
        let mut incidence = [[0.0; LINES]; BUSES];
        for (line, (from, to, reactance)) in REACTANCES.into_iter().enumerate() {
            // MW for a hundredth of a radian, over a base of 100 MVA.
            susceptances[line][from] = 1.0 / reactance;
            susceptances[line][to] = -1.0 / reactance;
            incidence[from][line] = 1.0;
            incidence[to][line] = -1.0;
        }
        let flows = matmul(susceptances, angles);
        let limited = flows.gather(&LIMITS.map(|limit| limit.0));
        let rules = vec![angles.index(0).equals(0.0), limited.leq(limits), (-limited).leq(limits)];
        Self { out: matmul(incidence, flows), rules }
    }

    /// What is demanded at each bus equals what is generated and not sent away: written so that its
    /// dual is the cost of one more MW of demand.
    fn balance(
        &self,
        generation: Expr<'m>,
        demand: Expr<'m>,
        unserved: Expr<'m>,
    ) -> Constraint<'m> {
        let mut plants = [[0.0; GENERATORS]; BUSES];
        PLANTS.iter().enumerate().for_each(|(k, plant)| plants[plant.0][k] = 1.0);
        let mut loads = [[0.0; LOADS.len()]; BUSES];
        LOADS.iter().enumerate().for_each(|(k, load)| loads[load.0][k] = 1.0);
        let arrives = matmul(plants, generation) - self.out;
        matmul(loads, demand - unserved).equals(arrives)
    }
}
