//! The rules of Sudoku, for boards of side 4 (order 2) and 9 (order 3).

use rand::rngs::StdRng;
use rand::seq::SliceRandom;

/// A row, a column or a block: cells in which no digit may stand twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Rows from the top, counted from 0.
    Row(usize),
    /// Columns from the left, counted from 0.
    Column(usize),
    /// Blocks, row by row, counted from 0.
    Block(usize),
}

impl std::fmt::Display for Unit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unit::Row(k) => write!(f, "row {}", k + 1),
            Unit::Column(k) => write!(f, "column {}", k + 1),
            Unit::Block(k) => write!(f, "block {}", k + 1),
        }
    }
}

/// The shape of a board. Cells are numbered row by row; a cell holds a digit, 0 where it is blank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    order: usize,
}

impl Rules {
    /// Boards of `order * order` rows; the order is 2 or 3.
    pub fn new(order: usize) -> Self {
        assert!((2..=3).contains(&order), "a board's order is 2 or 3, found {order}");
        Self { order }
    }

    /// Rows and columns of a block.
    pub fn order(self) -> usize {
        self.order
    }

    /// Rows, columns, blocks and digits: 4 or 9.
    pub fn side(self) -> usize {
        self.order * self.order
    }

    /// Cells: 16 or 81.
    pub fn cells(self) -> usize {
        self.side() * self.side()
    }

    /// Row, column and block of a cell, each counted from 0.
    pub fn place(self, cell: usize) -> (usize, usize, usize) {
        let (row, column) = (cell / self.side(), cell % self.side());
        (row, column, row / self.order * self.order + column / self.order)
    }

    /// Numbers of a one-hot board: as many as there are pairs of a cell and a digit.
    pub fn width(self) -> usize {
        self.cells() * self.side()
    }

    /// Where a one-hot board is 1: at `cell * side + digit - 1` for each cell that is not blank.
    pub fn ones(self, board: &[u8]) -> impl Iterator<Item = usize> + '_ {
        let filled = board.iter().enumerate().filter(|(_, digit)| **digit > 0);
        filled.map(move |(cell, &digit)| cell * self.side() + usize::from(digit) - 1)
    }

    /// Boards as one-hot numbers, `boards * width`: the digits of a cell side by side, a blank all
    /// zeros.
    pub fn one_hot<'a>(self, boards: impl Iterator<Item = &'a [u8]>) -> Vec<f64> {
        let mut values = Vec::new();
        for board in boards {
            let start = values.len();
            values.resize(start + self.width(), 0.0);
            for place in self.ones(board) {
                values[start + place] = 1.0;
            }
        }
        values
    }

    /// The digit with the highest score in each cell of a board.
    pub fn most_likely(self, scores: &[f64]) -> Vec<u8> {
        let digit = |scores: &[f64]| {
            (0..scores.len())
                .max_by(|&a, &b| scores[a].total_cmp(&scores[b]))
                .map_or(0, |k| k as u8 + 1)
        };
        scores.chunks(self.side()).map(digit).collect()
    }

    /// The first digit that stands twice in a unit, with that unit; `None` for a correct board.
    pub fn repetition(self, board: &[u8]) -> Option<(u8, Unit)> {
        let mut seen = Occupied::default();
        board.iter().enumerate().filter(|(_, digit)| **digit > 0).find_map(|(cell, &digit)| {
            let (row, column, block) = self.place(cell);
            let repeated = [
                (seen.rows[row], Unit::Row(row)),
                (seen.columns[column], Unit::Column(column)),
                (seen.blocks[block], Unit::Block(block)),
            ]
            .into_iter()
            .find(|(digits, _)| digits & bit(digit) != 0);
            seen.toggle((row, column, block), digit);
            repeated.map(|(_, unit)| (digit, unit))
        })
    }

    /// The rules as sets of places of a one-hot board of which one is 1: a digit for each cell, and
    /// each digit once in each unit. For judging what was learned only.
    pub fn exactly_one(self) -> Vec<Vec<usize>> {
        let (cells, side) = (self.cells(), self.side());
        let mut sets: Vec<Vec<usize>> =
            (0..cells).map(|cell| (cell * side..(cell + 1) * side).collect()).collect();
        for unit in 0..side {
            let units: [&dyn Fn(usize) -> bool; 3] =
                [&|cell| self.place(cell).0 == unit, &|cell| self.place(cell).1 == unit, &|cell| {
                    self.place(cell).2 == unit
                }];
            for holds in units {
                for digit in 0..side {
                    let cells = (0..cells).filter(|&cell| holds(cell));
                    sets.push(cells.map(|cell| cell * side + digit).collect());
                }
            }
        }
        sets
    }

    /// A random correct board without blanks. Every board can come up.
    pub fn random_board(self, rng: &mut StdRng) -> Vec<u8> {
        let mut board = Vec::new();
        let mut search = Search::new(self, &vec![0; self.cells()]);
        // One random permutation of the digits for each cell visited.
        let mut shuffled = |mut digits: Vec<u8>| {
            digits.shuffle(rng);
            digits
        };
        search.run(&mut shuffled, &mut |solution| {
            board = solution.to_vec();
            true
        });
        board
    }

    /// Blanks cells of `board`, tried in random order, while there is one way to fill them, until
    /// `givens` digits are left; more are left where every further blank would allow another
    /// board.
    pub fn thinned_puzzle(self, board: &[u8], givens: usize, rng: &mut StdRng) -> Vec<u8> {
        let mut clues = board.to_vec();
        let mut order: Vec<usize> = (0..self.cells()).collect();
        order.shuffle(rng);
        let mut left = self.cells();
        for cell in order {
            if left <= givens {
                break;
            }
            clues[cell] = 0;
            match count_solutions(self, &clues, 2) {
                1 => left -= 1,
                _ => clues[cell] = board[cell],
            }
        }
        clues
    }

    /// Blanks cells of `board`, tried in random order, wherever the digit remains forced: in its
    /// row, its column or its block no other blank could hold it. Filled in the reverse order,
    /// every blank is forced, so the solution is unique.
    pub fn random_puzzle(self, board: &[u8], rng: &mut StdRng) -> Vec<u8> {
        let mut clues = board.to_vec();
        let mut occupied = Occupied::new(self, board);
        let mut order: Vec<usize> = (0..self.cells()).collect();
        order.shuffle(rng);
        for cell in order {
            let (row, column, block) = self.place(cell);
            let digit = std::mem::take(&mut clues[cell]);
            occupied.toggle((row, column, block), digit);
            let others = (0..self.cells()).filter(|&other| {
                other != cell
                    && clues[other] == 0
                    && occupied.at(self.place(other)) & bit(digit) == 0
            });
            // Whether another blank of the row, of the column, of the block could hold the digit.
            let elsewhere = others.fold([false; 3], |[in_row, in_column, in_block], other| {
                let place = self.place(other);
                [
                    in_row || place.0 == row,
                    in_column || place.1 == column,
                    in_block || place.2 == block,
                ]
            });
            if elsewhere == [true; 3] {
                clues[cell] = digit;
                occupied.toggle((row, column, block), digit);
            }
        }
        clues
    }
}

/// The bit that stands for a digit in a set of digits.
fn bit(digit: u8) -> u16 {
    1 << digit
}

/// The digits that each row, column and block already holds.
#[derive(Clone, Copy, Default)]
struct Occupied {
    rows: [u16; 9],
    columns: [u16; 9],
    blocks: [u16; 9],
}

impl Occupied {
    fn new(rules: Rules, board: &[u8]) -> Self {
        let mut occupied = Self::default();
        for (cell, &digit) in board.iter().enumerate().filter(|(_, digit)| **digit > 0) {
            occupied.toggle(rules.place(cell), digit);
        }
        occupied
    }

    fn toggle(&mut self, (row, column, block): (usize, usize, usize), digit: u8) {
        self.rows[row] ^= bit(digit);
        self.columns[column] ^= bit(digit);
        self.blocks[block] ^= bit(digit);
    }

    fn at(&self, (row, column, block): (usize, usize, usize)) -> u16 {
        self.rows[row] | self.columns[column] | self.blocks[block]
    }
}

/// Depth-first search through the ways to fill a board, the cell with the fewest candidates first.
struct Search {
    rules: Rules,
    board: Vec<u8>,
    blank: Vec<usize>,
    occupied: Occupied,
}

impl Search {
    fn new(rules: Rules, clues: &[u8]) -> Self {
        let blank = (0..rules.cells()).filter(|&cell| clues[cell] == 0).collect();
        Self { rules, board: clues.to_vec(), blank, occupied: Occupied::new(rules, clues) }
    }

    /// Hands each solution to `found` until it answers true; `arrange` sets the order in which
    /// the candidates of a cell are tried. True when `found` ended the search.
    fn run(
        &mut self,
        arrange: &mut dyn FnMut(Vec<u8>) -> Vec<u8>,
        found: &mut dyn FnMut(&[u8]) -> bool,
    ) -> bool {
        let all: u16 = (1..=self.rules.side() as u8).map(bit).sum();
        let candidates = |cell: usize| all & !self.occupied.at(self.rules.place(cell));
        let Some(narrowest) =
            (0..self.blank.len()).min_by_key(|&k| candidates(self.blank[k]).count_ones())
        else {
            return found(&self.board);
        };
        let cell = self.blank[narrowest];
        let free = candidates(cell);
        let digits = arrange(
            (1..=self.rules.side() as u8).filter(|&digit| free & bit(digit) != 0).collect(),
        );
        let place = self.rules.place(cell);
        self.blank.swap_remove(narrowest);
        let mut ended = false;
        for digit in digits {
            self.board[cell] = digit;
            self.occupied.toggle(place, digit);
            ended = self.run(arrange, found);
            self.occupied.toggle(place, digit);
            if ended {
                break;
            }
        }
        self.board[cell] = 0;
        self.blank.push(cell);
        ended
    }
}

/// Number of ways to fill the blanks, counted up to `limit`.
pub fn count_solutions(rules: Rules, clues: &[u8], limit: usize) -> usize {
    if rules.repetition(clues).is_some() {
        return 0;
    }
    let mut found = 0;
    Search::new(rules, clues).run(&mut |digits| digits, &mut |_| {
        found += 1;
        found >= limit
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn there_are_288_boards_of_side_4() {
        assert_eq!(count_solutions(Rules::new(2), &[0; 16], usize::MAX), 288);
    }

    #[test]
    fn a_known_9x9_puzzle_has_one_solution() {
        let clues: Vec<u8> =
            "530070000600195000098000060800060003400803001700020006060000280000419005000080079"
                .bytes()
                .map(|c| c - b'0')
                .collect();
        assert_eq!(count_solutions(Rules::new(3), &clues, 10), 1);
        assert_eq!(count_solutions(Rules::new(3), &[0; 81], 10), 10);
    }

    #[test]
    fn contradictory_clues_have_no_solution() {
        let mut clues = [0; 16];
        (clues[0], clues[5]) = (3, 3);
        assert_eq!(Rules::new(2).repetition(&clues), Some((3, Unit::Block(0))));
        assert_eq!(count_solutions(Rules::new(2), &clues, 2), 0);
    }

    #[test]
    fn random_boards_are_correct_and_puzzles_have_one_solution() {
        let mut rng = StdRng::seed_from_u64(7);
        for order in [2, 3] {
            let rules = Rules::new(order);
            for _ in 0..50 {
                let board = rules.random_board(&mut rng);
                assert!(!board.contains(&0));
                assert_eq!(rules.repetition(&board), None);
                let clues = rules.random_puzzle(&board, &mut rng);
                assert!(clues.iter().zip(&board).all(|(&clue, &digit)| clue == 0 || clue == digit));
                assert_eq!(count_solutions(rules, &clues, 2), 1);
            }
        }
    }
}
