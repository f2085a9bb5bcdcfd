//! From a level set of an expression to a convex function that is at most zero on it.

use crate::algebra::{Bilinear, LinearMap, Shape};
use crate::atom::{Atom, Info, LevelSet, Monotonicity, Side, Sign};
use crate::atoms::{self, broadcast_to, maximum, ratio_residual, root_of_product, sqrt};
use crate::dcp::Analysis;
use crate::error::Issue;
use crate::expression::{Arena, Expr, Form, Id, Op, evaluate, render};
use crate::transcript::Transcript;

/// The rewriting of level sets of one model's expressions in another.
pub(super) struct Levels<'a, 'l> {
    pub copies: Transcript<'a, 'l>,
    analysis: &'a Analysis,
    /// Levels that are functions of other levels, which may be out of their range.
    pub ranges: Vec<Range<'l>>,
}

/// A level of a monotone function, with the side that it is of, and that of its argument.
#[derive(Clone, Copy)]
pub(super) struct Range<'l> {
    pub outer: Expr<'l>,
    pub level: Expr<'l>,
    pub side: Side,
}

/// A level set: of an expression, on one side of a level without variables.
#[derive(Clone, Copy)]
struct Set<'l> {
    id: Id,
    side: Side,
    level: Expr<'l>,
}

impl<'a, 'l> Levels<'a, 'l> {
    pub fn new(copies: Transcript<'a, 'l>, analysis: &'a Analysis) -> Self {
        Self { copies, analysis, ranges: Vec::new() }
    }

    /// A convex expression of the copies, at most zero exactly where `id` is on this side of
    /// `level`, which is an expression of parameters, of the shape of `id` and, where the sign of
    /// `id` is known, of its sign.
    pub fn residual(&mut self, id: Id, side: Side, level: Expr<'l>) -> Result<Expr<'l>, Issue> {
        let mut set = Set { id, side, level };
        loop {
            let curvature = self.analysis.info(set.id).curvature;
            let own = self.arena();
            match &own.nodes[set.id].op {
                _ if side_fits(curvature, set.side) => {
                    let copy = self.copies.copy(set.id);
                    return Ok(match set.side {
                        Side::Below => copy - set.level,
                        Side::Above => set.level - copy,
                    });
                }
                Op::Linear { form, map, args } => set = self.linear(set, form, map, args)?,
                Op::Product { kind, a, b } => match self.factor(set, *kind, [*a, *b])? {
                    Some(inner) => set = inner,
                    None => return self.product(set, *kind, [*a, *b]),
                },
                Op::Atom { atom, args } => {
                    let infos = self.analysis.infos(own, &**atom, args);
                    match atom.level_set(set.side, &infos) {
                        None => return Err(self.no_level_set(set, &**atom)),
                        Some(LevelSet::Inverse(inverse)) => {
                            set = self.inverse(set, &**atom, args[0], &infos, inverse)?;
                        }
                        Some(LevelSet::Residual(residual)) => {
                            let mut of: Vec<Expr<'l>> =
                                args.iter().map(|arg| self.copies.copy(*arg)).collect();
                            of.push(set.level);
                            let residual = self.copies.model.atom_of(residual, &of);
                            return self.stated(set, residual, args);
                        }
                        Some(LevelSet::Each) => return self.each(set, args),
                    }
                }
                _ => return Err(self.issue(set.id, "it has no level sets")),
            }
        }
    }

    fn arena(&self) -> &'a Arena {
        self.copies.arena
    }

    fn issue(&self, id: Id, text: impl std::fmt::Display) -> Issue {
        let message = format!("{}: {text}", render(self.arena(), id));
        Issue::new(message, self.arena().nodes[id].place)
    }

    /// What is known of an expression of the copies.
    fn info(&self, expr: Expr<'l>) -> Info {
        Analysis::new(&self.copies.model.arena()).info(expr.id)
    }

    fn shape(&self, id: Id) -> Shape {
        self.arena().nodes[id].shape
    }

    /// An affine operation of one expression without variables and another: the level moves to the
    /// other side.
    fn linear(
        &mut self,
        set: Set<'l>,
        form: &Form,
        map: &LinearMap,
        args: &[Id],
    ) -> Result<Set<'l>, Issue> {
        let arena = self.arena();
        let with_variables: Vec<usize> =
            (0..args.len()).filter(|at| arena.nodes[args[*at]].has_variables).collect();
        let [at] = with_variables[..] else {
            let text = "adds several expressions with variables of which not all have the \
                        curvature; a sum of quasiconvex functions is not quasiconvex: write it as \
                        one quotient, or bound a part by a variable in a constraint of its own";
            return Err(self.issue(set.id, text));
        };
        let sizes = args.iter().map(|arg| self.shape(*arg).size());
        let first: usize = sizes.clone().take(at).sum();
        let size = self.shape(args[at]).size();
        // Of each row, its one element of the argument with variables, and the rest.
        let mut rest = LinearMap::new(sizes.sum());
        let mut inner = vec![None; size];
        let (mut positive, mut negative, mut count) = (false, false, 0);
        for row in 0..map.rows() {
            for (col, coef) in map.row(row).filter(|(col, _)| (first..first + size).contains(col)) {
                inner[col - first] = Some((row, 1.0 / coef));
                (positive, negative, count) =
                    (positive || coef > 0.0, negative || coef < 0.0, count + 1);
            }
            rest.push_row(map.row(row).filter(|(col, _)| !(first..first + size).contains(col)));
        }
        let own_elements = inner.iter().flatten().count();
        if own_elements != size || count != size || map.rows() != size || positive == negative {
            let what = match form {
                Form::Call(name) => format!("{name} mixes elements that"),
                _ => "mixes elements, or takes some of them only, which".to_owned(),
            };
            let text = format!(
                "{what} are not {}; index and broadcast the parts of a quotient before dividing",
                says(set.side)
            );
            return Err(self.issue(set.id, text));
        }
        let model = self.copies.model;
        let copies: Vec<Expr<'l>> = args
            .iter()
            .enumerate()
            .map(|(k, arg)| {
                let shape = self.shape(*arg);
                if k == at { zeros(model, shape) } else { self.copies.copy(*arg) }
            })
            .collect();
        let level = match args.len() {
            1 => set.level,
            _ => set.level - model.linear(Form::Call("rest"), rest, &copies, set.level.shape()),
        };
        let mut back = LinearMap::new(map.rows());
        inner.iter().for_each(|row| back.push_row(*row));
        let shape = self.shape(args[at]);
        let level = if positive && inner.iter().enumerate().all(|(k, at)| *at == Some((k, 1.0))) {
            level.reshape(shape)
        } else {
            model.linear(Form::Call("level"), back, &[level], shape)
        };
        let side = if positive { set.side } else { set.side.other() };
        Ok(Set { id: args[at], side, level })
    }

    /// A product with an expression without variables, whose sign is known.
    fn factor(
        &mut self,
        set: Set<'l>,
        kind: Bilinear,
        [a, b]: [Id; 2],
    ) -> Result<Option<Set<'l>>, Issue> {
        let arena = self.arena();
        let (factor, inner) = match (arena.nodes[a].has_variables, arena.nodes[b].has_variables) {
            (false, _) => (a, b),
            (_, false) => (b, a),
            _ => return Ok(None),
        };
        if is_reciprocal(arena, inner) {
            return Ok(None);
        }
        let elementwise = matches!(kind, Bilinear::Elementwise { .. } | Bilinear::Scale { .. });
        if !elementwise || self.shape(inner).size() != kind.len() {
            let text = format!(
                "a product that adds up or repeats elements which are not {}; multiply the parts \
                 of a quotient before dividing",
                says(set.side)
            );
            return Err(self.issue(set.id, text));
        }
        let side = match self.analysis.info(factor).sign {
            sign if sign.is_nonneg() => set.side,
            sign if sign.is_nonpos() => set.side.other(),
            _ => {
                let name = render(arena, factor);
                let text = format!(
                    "the sign of the factor {name} is not known; declare it (`.nonneg()` or \
                     `.nonpos()`)"
                );
                return Err(self.issue(set.id, text));
            }
        };
        if !arena.nodes[factor].has_parameters
            && evaluate(arena, factor, &|_| Vec::new()).contains(&0.0)
        {
            return Err(self.issue(set.id, "a factor is zero: leave the expression out"));
        }
        let level = (set.level / self.copies.copy(factor)).reshape(self.shape(inner));
        Ok(Some(Set { id: inner, side, level }))
    }

    /// A product or quotient of two expressions with variables.
    fn product(
        &mut self,
        set: Set<'l>,
        kind: Bilinear,
        [a, b]: [Id; 2],
    ) -> Result<Expr<'l>, Issue> {
        if !matches!(kind, Bilinear::Elementwise { .. } | Bilinear::Scale { .. }) {
            let text = "a sum of products of variables; only single products and quotients are \
                        quasiconvex or quasiconcave";
            return Err(self.issue(set.id, text));
        }
        let arena = self.arena();
        let denominator = |id: Id| match &arena.nodes[id].op {
            Op::Atom { args, .. } if is_reciprocal(arena, id) => Some(args[0]),
            _ => None,
        };
        match (denominator(a), denominator(b)) {
            (Some(q), None) => self.quotient(set, b, q),
            (None, Some(q)) => self.quotient(set, a, q),
            _ => self.product_of_signs(set, [a, b]),
        }
    }

    /// `p / q` with a q of known sign.
    fn quotient(&mut self, set: Set<'l>, p: Id, q: Id) -> Result<Expr<'l>, Issue> {
        let shape = self.shape(set.id);
        let [of_p, of_q] = [p, q].map(|id| broadcast_to(self.copies.copy(id), shape));
        let (top, bottom) = match self.analysis.info(q).sign {
            sign if sign.is_nonneg() => (of_p, of_q),
            sign if sign.is_nonpos() => (-of_p, -of_q),
            _ => {
                let name = render(self.arena(), q);
                let text = format!(
                    "the sign of the denominator {name} is not known; declare it (`.nonneg()`), or \
                     write ratio(p, q), whose domain is q > 0"
                );
                return Err(self.issue(set.id, text));
            }
        };
        let residual = ratio_residual(top, bottom, set.level, set.side);
        self.stated(set, residual, &[p, q])
    }

    /// `x y >= t` with x and y concave and nonnegative, as `sqrt t <= sqrt(x y)`; other signs
    /// likewise.
    fn product_of_signs(&mut self, set: Set<'l>, [a, b]: [Id; 2]) -> Result<Expr<'l>, Issue> {
        let shape = self.shape(set.id);
        let mut factors = [a, b].map(|id| (broadcast_to(self.copies.copy(id), shape), id));
        let mut flips = 0;
        for (factor, id) in &mut factors {
            match self.analysis.info(*id).sign {
                sign if sign.is_nonneg() => {}
                sign if sign.is_nonpos() => {
                    *factor = -*factor;
                    flips += 1;
                }
                _ => {
                    let text = format!(
                        "a product of variables has level sets where the signs of both factors are \
                         known; that of {} is not: declare it (`.nonneg()` or `.nonpos()`)",
                        render(self.arena(), *id)
                    );
                    return Err(self.issue(set.id, text));
                }
            }
        }
        let (side, level) = match flips {
            1 => (set.side.other(), -set.level),
            _ => (set.side, set.level),
        };
        if side == Side::Below {
            let text = "a product of two nonnegative factors is quasiconcave: its sublevel sets \
                        are not convex";
            return Err(self.issue(set.id, text));
        }
        if !self.info(level).sign.is_nonneg() {
            let text = "the level that the product is compared to must have a known sign, that of \
                        the product; declare it";
            return Err(self.issue(set.id, text));
        }
        let residual = sqrt(level) - root_of_product(factors[0].0, factors[1].0);
        self.stated(set, residual, &[a, b])
    }

    /// A monotone function: the level of its argument.
    fn inverse(
        &mut self,
        set: Set<'l>,
        atom: &dyn Atom,
        arg: Id,
        infos: &[Info],
        inverse: std::sync::Arc<dyn Atom>,
    ) -> Result<Set<'l>, Issue> {
        let side = match atom.monotonicity(0, infos) {
            Monotonicity::Increasing => set.side,
            Monotonicity::Decreasing => set.side.other(),
            Monotonicity::None => return Err(self.no_level_set(set, atom)),
        };
        // From above, the level of the argument holds it inside of the domain.
        if side == Side::Below && !atom.domain().is_empty() && !infos[0].sign.is_nonneg() {
            let text = format!(
                "{} asks for {}, and the sign of its argument is not known; declare it \
                 (`.nonneg()`)",
                atom.name(),
                atom.domain()
            );
            return Err(self.issue(set.id, text));
        }
        let level = self.copies.model.atom_of(inverse, &[set.level]);
        let is_fixed = !level.has_parameters();
        if is_fixed && level.value().is_none_or(|v| v.iter().any(|v| !v.is_finite())) {
            let text = format!("no value of {} is on this side of {}", atom.name(), set.level);
            return Err(self.issue(set.id, text));
        }
        if !is_fixed {
            self.ranges.push(Range { outer: set.level, level, side: set.side });
        }
        Ok(Set { id: arg, side, level })
    }

    /// All elements of all arguments are on this side.
    fn each(&mut self, set: Set<'l>, args: &[Id]) -> Result<Expr<'l>, Issue> {
        let mut found: Option<Expr<'l>> = None;
        let elementwise = args.iter().all(|arg| self.shape(*arg) == self.shape(set.id));
        for arg in args {
            let level = broadcast_to(set.level, self.shape(*arg));
            let residual = self.residual(*arg, set.side, level)?;
            let residual = if elementwise { residual } else { atoms::max(residual) };
            found = Some(found.map_or(residual, |others| maximum(others, residual)));
        }
        found.ok_or_else(|| self.issue(set.id, "it has no arguments"))
    }

    /// The residual, if it is convex by the rules.
    fn stated(&self, set: Set<'l>, residual: Expr<'l>, args: &[Id]) -> Result<Expr<'l>, Issue> {
        if self.info(residual).curvature.is_convex() {
            return Ok(residual);
        }
        let found: Vec<String> = args
            .iter()
            .map(|arg| {
                let info = self.analysis.info(*arg);
                format!("{} is {} ({})", render(self.arena(), *arg), info.curvature, info.sign)
            })
            .collect();
        let rule = match set.side {
            Side::Below => {
                "a quotient p / q is quasiconvex where p is convex and q > 0 is affine, or concave \
                 if also p >= 0 and its level >= 0"
            }
            Side::Above => {
                "a quotient p / q is quasiconcave where p is concave and q > 0 is affine, or \
                 convex if also p >= 0 and its level >= 0; a product where both factors are \
                 concave and nonnegative"
            }
        };
        let text = format!(
            "it is not {}: {}; {rule} (declare signs by `.nonneg()`)",
            says(set.side),
            found.join(", ")
        );
        Err(self.issue(set.id, text))
    }

    fn no_level_set(&self, set: Set<'l>, atom: &dyn Atom) -> Issue {
        let Op::Atom { args, .. } = &self.arena().nodes[set.id].op else {
            return self.issue(set.id, "it has no level sets");
        };
        let infos = self.analysis.infos(self.arena(), atom, args);
        let of: Vec<String> = args
            .iter()
            .zip(&infos)
            .map(|(arg, info)| {
                format!("{} ({}, {})", render(self.arena(), *arg), info.curvature, info.sign)
            })
            .collect();
        let text = format!(
            "{} of {} is not {}; monotone functions (exp, log, sqrt, powers of what is \
             nonnegative), quotients, products, largest elements and length are",
            atom.name(),
            of.join(" and "),
            says(set.side)
        );
        self.issue(set.id, text)
    }
}

/// Whether the level sets on this side are those of a convex or concave function.
fn side_fits(curvature: crate::atom::Curvature, side: Side) -> bool {
    match side {
        Side::Below => curvature.is_convex(),
        Side::Above => curvature.is_concave(),
    }
}

fn says(side: Side) -> &'static str {
    match side {
        Side::Below => "quasiconvex",
        Side::Above => "quasiconcave",
    }
}

fn is_reciprocal(arena: &Arena, id: Id) -> bool {
    let node = &arena.nodes[id];
    matches!(&node.op, Op::Atom { atom, .. } if atom.is_reciprocal() && node.has_variables)
}

fn zeros(model: &crate::expression::Model, shape: Shape) -> Expr<'_> {
    model.constant_of(vec![0.0; shape.size()], shape)
}

/// A parameter's sign from that of an expression: of an expression that is zero, nonnegative.
pub(super) fn declared(level: Expr<'_>, sign: Sign) -> Expr<'_> {
    match sign {
        sign if sign.is_nonneg() => level.nonneg(),
        sign if sign.is_nonpos() => level.nonpos(),
        _ => level,
    }
}
