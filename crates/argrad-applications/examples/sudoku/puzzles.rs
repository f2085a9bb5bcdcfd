//! Puzzles with their solutions: read from a file, or generated.

use std::collections::HashSet;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use rand::rngs::StdRng;

use crate::board::{Rules, Unit};

/// A puzzle, 0 for a blank, and its solution; both row by row.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Puzzle {
    pub clues: Vec<u8>,
    pub solution: Vec<u8>,
}

/// Why puzzles could not be had.
#[derive(Debug, thiserror::Error)]
pub enum PuzzleError {
    #[error("cannot read {}: {source}", path.display())]
    Unreadable { path: PathBuf, source: std::io::Error },
    #[error("{}, line {line}: {reason}", path.display())]
    Malformed { path: PathBuf, line: usize, reason: LineError },
    #[error(
        "{} holds {found} puzzle(s), expected at least {wanted} ({train} to train and {test} to \
         test)",
        path.display()
    )]
    TooFew { path: PathBuf, found: usize, wanted: usize, train: usize, test: usize },
    #[error(
        "at most {limit} different puzzles are generated, but --train and --test ask for {wanted}"
    )]
    TooMany { limit: usize, wanted: usize },
}

/// What is wrong with a line of a puzzle file. Rows and columns count from 1.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    #[error("expected a puzzle, a space and its solution, found {found} field(s)")]
    Fields { found: usize },
    #[error(
        "the {field} has {found} characters, expected {expected}{}",
        if other_order(*found) { " (is --board right?)" } else { "" }
    )]
    Length { field: &'static str, found: usize, expected: usize },
    #[error(
        "character {position} of the {field} is '{found}', expected a digit from {least} to {most}"
    )]
    Character { field: &'static str, position: usize, found: String, least: u8, most: u8 },
    #[error(
        "the solution has {solution} at row {row}, column {column}, where the puzzle has {clue}"
    )]
    Contradiction { row: usize, column: usize, clue: u8, solution: u8 },
    #[error("the solution has {digit} twice in {unit}")]
    Repetition { digit: u8, unit: Unit },
}

fn other_order(length: usize) -> bool {
    length == 16 || length == 81
}

/// Reads one line: clues, a space, the solution.
pub fn parse_line(line: &[u8], rules: Rules) -> Result<Puzzle, LineError> {
    let fields: Vec<&[u8]> =
        line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
    let [clues, solution] = fields[..] else {
        return Err(LineError::Fields { found: fields.len() });
    };
    let clues = parse_cells("puzzle", clues, 0, rules)?;
    let solution = parse_cells("solution", solution, 1, rules)?;
    if let Some(cell) =
        (0..rules.cells()).find(|&cell| clues[cell] > 0 && clues[cell] != solution[cell])
    {
        let (row, column, _) = rules.place(cell);
        return Err(LineError::Contradiction {
            row: row + 1,
            column: column + 1,
            clue: clues[cell],
            solution: solution[cell],
        });
    }
    if let Some((digit, unit)) = rules.repetition(&solution) {
        return Err(LineError::Repetition { digit, unit });
    }
    Ok(Puzzle { clues, solution })
}

fn parse_cells(
    field: &'static str,
    text: &[u8],
    least: u8,
    rules: Rules,
) -> Result<Vec<u8>, LineError> {
    let text = String::from_utf8_lossy(text);
    let (found, expected, most) = (text.chars().count(), rules.cells(), rules.side() as u8);
    if found != expected {
        return Err(LineError::Length { field, found, expected });
    }
    text.chars()
        .enumerate()
        .map(|(k, character)| match character.to_digit(10) {
            Some(digit) if (least..=most).contains(&(digit as u8)) => Ok(digit as u8),
            _ => Err(LineError::Character {
                field,
                position: k + 1,
                found: character.escape_debug().to_string(),
                least,
                most,
            }),
        })
        .collect()
}

/// Reads every puzzle of a file, plain or gzip; empty lines are passed over.
pub fn read(path: &Path, rules: Rules) -> Result<Vec<Puzzle>, PuzzleError> {
    let unreadable = |source| PuzzleError::Unreadable { path: path.to_path_buf(), source };
    let mut bytes = std::fs::read(path).map_err(unreadable)?;
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut text = Vec::new();
        MultiGzDecoder::new(&bytes[..]).read_to_end(&mut text).map_err(unreadable)?;
        bytes = text;
    }
    bytes
        .split(|&byte| byte == b'\n')
        .enumerate()
        .filter(|(_, line)| !line.trim_ascii().is_empty())
        .map(|(k, line)| {
            parse_line(line, rules).map_err(|reason| PuzzleError::Malformed {
                path: path.to_path_buf(),
                line: k + 1,
                reason,
            })
        })
        .collect()
}

/// Puzzles generated at most, so that no search for yet another different one takes long.
const GENERATED_AT_MOST: usize = 100_000;

/// Generates `count` different puzzles, each with one solution.
pub fn generate(rules: Rules, count: usize, rng: &mut StdRng) -> Result<Vec<Puzzle>, PuzzleError> {
    different(rules, count, rng, |board, rng| Some(rules.random_puzzle(board, rng)))
}

/// Generates `count` different puzzles, each with one solution, whose numbers of givens are those
/// of `givens` in turn.
pub fn generate_with_givens(
    rules: Rules,
    givens: &[u8],
    count: usize,
    rng: &mut StdRng,
) -> Result<Vec<Puzzle>, PuzzleError> {
    let mut made = 0;
    different(rules, count, rng, |board, rng| {
        let wanted = usize::from(givens[made % givens.len()]);
        let clues = rules.thinned_puzzle(board, wanted, rng);
        let fits = clues.iter().filter(|&&digit| digit > 0).count() == wanted;
        made += usize::from(fits);
        fits.then_some(clues)
    })
}

/// Puzzles that `clues` makes of random boards, where it makes one, each once.
fn different(
    rules: Rules,
    count: usize,
    rng: &mut StdRng,
    mut clues: impl FnMut(&[u8], &mut StdRng) -> Option<Vec<u8>>,
) -> Result<Vec<Puzzle>, PuzzleError> {
    if count > GENERATED_AT_MOST {
        return Err(PuzzleError::TooMany { limit: GENERATED_AT_MOST, wanted: count });
    }
    let mut known = HashSet::new();
    let mut puzzles = Vec::with_capacity(count);
    while puzzles.len() < count {
        let solution = rules.random_board(rng);
        if let Some(clues) = clues(&solution, rng)
            && known.insert(clues.clone())
        {
            puzzles.push(Puzzle { clues, solution });
        }
    }
    Ok(puzzles)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::board::count_solutions;
    use rand::SeedableRng;
    use std::io::Write;

    const GOOD: &str = "0300001040000002 1324241342313142";

    fn reason(line: &str) -> String {
        parse_line(line.as_bytes(), Rules::new(2)).unwrap_err().to_string()
    }

    #[test]
    fn a_line_is_read() {
        let puzzle = parse_line(format!("{GOOD}\r").as_bytes(), Rules::new(2)).unwrap();
        assert_eq!(puzzle.clues[..4], [0, 3, 0, 0]);
        assert_eq!(puzzle.solution[..4], [1, 3, 2, 4]);
    }

    #[test]
    fn a_malformed_line_is_explained() {
        assert_eq!(
            reason("0300001040000002"),
            "expected a puzzle, a space and its solution, found 1 field(s)"
        );
        assert_eq!(
            reason("030000104000000 1324241342313142"),
            "the puzzle has 15 characters, expected 16"
        );
        assert_eq!(
            reason("0300001040000002 13242413423131421"),
            "the solution has 17 characters, expected 16"
        );
        assert_eq!(
            reason("03x0001040000002 1324241342313142"),
            "character 3 of the puzzle is 'x', expected a digit from 0 to 4"
        );
        assert_eq!(
            reason("0300001040000005 1324241342313142"),
            "character 16 of the puzzle is '5', expected a digit from 0 to 4"
        );
        assert_eq!(
            reason("0300001040000002 0324241342313142"),
            "character 1 of the solution is '0', expected a digit from 1 to 4"
        );
        assert_eq!(
            reason("0400001040000002 1324241342313142"),
            "the solution has 3 at row 1, column 2, where the puzzle has 4"
        );
        assert_eq!(
            reason("0300001040000002 1324241342311342"),
            "the solution has 1 twice in column 1"
        );
        assert_eq!(
            reason("0300001040000000 1324241342313143"),
            "the solution has 3 twice in row 4"
        );
    }

    #[test]
    fn a_line_for_another_board_is_recognized() {
        let line = format!("{} {}", "5".repeat(81), "5".repeat(81));
        assert_eq!(reason(&line), "the puzzle has 81 characters, expected 16 (is --board right?)");
    }

    #[test]
    fn plain_and_gzip_files_are_read_alike() {
        let directory = std::env::temp_dir().join(format!("sudoku-puzzles-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let (plain, packed) = (directory.join("plain.txt"), directory.join("packed.txt.gz"));
        let text = format!("{GOOD}\n\n{GOOD}\n");
        std::fs::write(&plain, &text).unwrap();
        let mut encoder = flate2::write::GzEncoder::new(
            std::fs::File::create(&packed).unwrap(),
            flate2::Compression::default(),
        );
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
        let puzzles = read(&plain, Rules::new(2)).unwrap();
        assert_eq!(puzzles.len(), 2);
        assert_eq!(puzzles, read(&packed, Rules::new(2)).unwrap());

        std::fs::write(&plain, format!("{GOOD}\n\n{}\n", GOOD.replace('3', "9"))).unwrap();
        let message = read(&plain, Rules::new(2)).unwrap_err().to_string();
        assert_eq!(
            message,
            format!(
                "{}, line 3: character 2 of the puzzle is '9', expected a digit from 0 to 4",
                plain.display()
            )
        );
        std::fs::remove_dir_all(&directory).unwrap();
        assert!(read(&plain, Rules::new(2)).unwrap_err().to_string().starts_with("cannot read"));
    }

    #[test]
    fn generated_puzzles_differ_and_repeat_with_the_seed() {
        let rules = Rules::new(2);
        let puzzles = generate(rules, 300, &mut StdRng::seed_from_u64(1)).unwrap();
        assert_eq!(puzzles, generate(rules, 300, &mut StdRng::seed_from_u64(1)).unwrap());
        assert_eq!(puzzles.iter().map(|puzzle| &puzzle.clues).collect::<HashSet<_>>().len(), 300);
        for puzzle in &puzzles {
            let digits = |cells: &[u8]| cells.iter().map(u8::to_string).collect::<String>();
            let line = format!("{} {}", digits(&puzzle.clues), digits(&puzzle.solution));
            assert_eq!(&parse_line(line.as_bytes(), rules).unwrap(), puzzle);
            assert_eq!(count_solutions(rules, &puzzle.clues, 2), 1);
        }
    }

    /// 5000 puzzles from the OptNet experiments have 10.8 blanks on average, from 8 to 12, and
    /// 85 % of them show all four digits.
    #[test]
    fn generated_puzzles_are_like_published_ones() {
        let puzzles = generate(Rules::new(2), 2000, &mut StdRng::seed_from_u64(1)).unwrap();
        let blanks = |puzzle: &Puzzle| puzzle.clues.iter().filter(|&&digit| digit == 0).count();
        assert!(puzzles.iter().all(|puzzle| (7..=12).contains(&blanks(puzzle))));
        let mean = puzzles.iter().map(blanks).sum::<usize>() as f64 / 2000.0;
        assert!((10.7..10.9).contains(&mean), "{mean} blanks");
        let all_digits = |puzzle: &&Puzzle| (1..=4).all(|digit| puzzle.clues.contains(&digit));
        let share = puzzles.iter().filter(all_digits).count() as f64 / 2000.0;
        assert!((0.79..0.88).contains(&share), "{share}");
    }

    #[test]
    fn puzzles_have_the_givens_that_were_asked_for() {
        let rules = Rules::new(3);
        let puzzles =
            generate_with_givens(rules, &[36, 30, 27], 12, &mut StdRng::seed_from_u64(1)).unwrap();
        for (k, puzzle) in puzzles.iter().enumerate() {
            let givens = puzzle.clues.iter().filter(|&&digit| digit > 0).count();
            assert_eq!(givens, [36, 30, 27][k % 3]);
            assert_eq!(count_solutions(rules, &puzzle.clues, 2), 1);
            assert_eq!(rules.repetition(&puzzle.solution), None);
        }
    }

    #[test]
    fn more_puzzles_than_there_are_is_an_error() {
        let error = generate(Rules::new(2), usize::MAX, &mut StdRng::seed_from_u64(1)).unwrap_err();
        assert!(error.to_string().contains("--train"));
    }
}
