//! What the pages of the repository name exists: files, folders and rooms, links between pages,
//! targets of the Makefile.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Pages that do not name files, but have formulas that look like it. Links are checked everywhere.
const FORMULAS: [&str; 2] = ["docs/dpp.md", "docs/atoms.md"];

/// Crates whose sections of the code map name each room, in the order of `lib.rs`.
const CRATES: [&str; 9] = [
    "argrad-solver",
    "argrad",
    "argrad-burn",
    "argrad-candle",
    "argrad-applications",
    "argrad-python",
    "argrad-conformance",
    "argrad-homogeneous",
    "argrad-gpu",
];

#[test]
fn files_that_pages_name_exist() {
    let mut missing = Vec::new();
    for page in pages().into_iter().filter(|page| !FORMULAS.contains(&page.as_str())) {
        let spans = code_spans(&read(&page));
        let named: Vec<&String> = spans.iter().filter(|span| is_path(span)).collect();
        missing.extend(
            named.iter().filter(|path| !exists(path)).map(|path| format!("{page}: {path}")),
        );
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn the_code_map_has_every_room_in_order() {
    let text = read("ARCHITECTURE.md");
    for name in CRATES {
        let section = section(&text, name);
        let spans = code_spans(section);
        let source = root().join("crates").join(name).join("src");
        // A folder by its files: its name alone may also be that of a file in a room before it.
        let first = |room: &String| {
            let is_file = source.join(format!("{room}.rs")).exists();
            let inside = |span: &String| span.starts_with(&format!("{room}/"));
            spans.iter().position(|span| if is_file { span == room } else { inside(span) })
        };
        let rooms = rooms(name);
        let missing: Vec<&String> = rooms.iter().filter(|room| first(room).is_none()).collect();
        assert!(missing.is_empty(), "{name}: not in ARCHITECTURE.md: {missing:?}");
        // The two crates for tests have rooms that do not build on each other.
        if !["argrad-conformance", "argrad-homogeneous"].contains(&name) {
            let out_of_order: Vec<(&String, &String)> = rooms
                .iter()
                .zip(&rooms[1..])
                .filter(|(one, next)| first(one) > first(next))
                .collect();
            assert!(
                out_of_order.is_empty(),
                "{name}: not in the order of lib.rs: {out_of_order:?}"
            );
        }
    }
}

#[test]
fn modules_that_the_code_map_begins_its_points_with_exist() {
    let text = read("ARCHITECTURE.md");
    for name in CRATES {
        let folder = root().join("crates").join(name);
        let places = ["src", "python/argrad", "."].map(|place| folder.join(place));
        for point in section(&text, name).lines().filter_map(|line| line.strip_prefix("- `")) {
            let module = point.split('`').next().unwrap();
            let exists = |place: &PathBuf| {
                let path = place.join(module);
                path.exists() || ["rs", "py"].iter().any(|e| path.with_extension(e).exists())
            };
            assert!(places.iter().any(exists), "{name} has no {module}");
        }
    }
}

#[test]
fn links_between_pages_lead_somewhere() {
    let mut broken = Vec::new();
    for page in pages() {
        let text = read(&page);
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if file.is_empty() {
                root().join(&page)
            } else {
                root().join(&page).parent().unwrap().join(file)
            };
            let is_there = target.exists()
                && (anchor.is_empty()
                    || anchors(&std::fs::read_to_string(&target).unwrap()).contains(anchor));
            if !is_there {
                broken.push(format!("{page}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn the_commands_are_those_of_the_makefile() {
    let makefile = read("Makefile");
    let phony = makefile.lines().filter_map(|line| line.strip_prefix(".PHONY:"));
    let targets: BTreeSet<&str> = phony.flat_map(str::split_whitespace).collect();
    let called = |text: &str| -> BTreeSet<String> {
        let spans = code_spans(text);
        let name = |span: &String| Some(span.strip_prefix("make ")?.split(' ').next()?.to_owned());
        spans.iter().filter_map(name).collect()
    };
    for page in pages() {
        for target in called(&read(&page)) {
            assert!(targets.contains(target.as_str()), "{page}: make has no target {target}");
        }
    }
    let explained = called(&read("CONTRIBUTING.md"));
    let missing: Vec<&&str> = targets.iter().filter(|own| !explained.contains(**own)).collect();
    assert!(missing.is_empty(), "CONTRIBUTING.md does not say what these do: {missing:?}");
}

#[test]
fn items_that_the_map_of_the_survey_names_are_defined_where_it_says() {
    let page = "docs/survey.md";
    let items = linked_items(&read(page));
    assert!(items.len() > 50, "{}", items.len());
    let mut missing = Vec::new();
    for (item, file) in items {
        let path = root().join("docs").join(&file);
        let Ok(source) = std::fs::read_to_string(&path) else {
            missing.push(format!("{item}: no file {file}"));
            continue;
        };
        if !defines(&source, &item) {
            missing.push(format!("{item}: not defined in {file}"));
        }
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

#[test]
fn the_map_of_the_survey_has_every_equation_and_theorem() {
    let text = read("docs/survey.md");
    // The first column of its tables, but for the list of errors.
    let map = text.split("## Errors").next().unwrap();
    let rows = map.lines().filter_map(|line| line.strip_prefix("| ")?.split(" | ").next());
    let entries: Vec<String> = rows.map(str::to_owned).collect();
    let has = |name: &str| entries.iter().any(|entry| entry.contains(name));
    let equations = (1..=20).map(|k| format!("({k})"));
    let theorems = (1..=4).map(|k| format!("Theorem {k}"));
    let missing: Vec<String> = equations.chain(theorems).filter(|name| !has(name)).collect();
    assert!(missing.is_empty(), "docs/survey.md has no row for {missing:?}");
}

/// Links whose text is the name of an item, `[`item`](file)`, to sources.
fn linked_items(text: &str) -> Vec<(String, String)> {
    let prose = without_blocks(text);
    let link = |rest: &str| {
        let (item, target) = rest.split_once("`](")?;
        let file = target.split([')', '#']).next()?;
        let is_source = file.ends_with(".rs") || file.ends_with(".py");
        let name = item.rsplit("::").next()?;
        (is_source && !item.contains('`')).then(|| (name.to_owned(), file.to_owned()))
    };
    prose.split("[`").skip(1).filter_map(link).collect()
}

/// Does a source in Rust or Python define an item of this name?
fn defines(source: &str, item: &str) -> bool {
    const KINDS: [&str; 9] =
        ["fn", "struct", "enum", "trait", "const", "mod", "type", "def", "class"];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    source.lines().any(|line| {
        let words: Vec<&str> = line.split(|c| !is_word(c)).filter(|w| !w.is_empty()).collect();
        words.windows(2).any(|pair| KINDS.contains(&pair[0]) && pair[1] == item)
    })
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// Pages at the top of the repository, in `docs/`, and those of the crates.
fn pages() -> Vec<String> {
    let mut found = Vec::new();
    let crates = std::fs::read_dir(root().join("crates")).unwrap();
    let crates = crates.map(|entry| format!("crates/{}", name(&entry.unwrap().path())));
    for folder in [".".to_owned(), "docs".to_owned()].into_iter().chain(crates) {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let file = name(&entry.unwrap().path());
            if file.ends_with(".md") {
                found.push(format!("{folder}/{file}").trim_start_matches("./").to_owned());
            }
        }
    }
    assert!(found.len() > 10, "{found:?}");
    found
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The part of the code map about a crate.
fn section<'t>(text: &'t str, crate_name: &str) -> &'t str {
    let heading = format!("### `crates/{crate_name}`");
    let start = text.find(&heading).unwrap_or_else(|| panic!("no section {heading}"));
    let rest = &text[start + heading.len()..];
    &rest[..rest.find("\n##").unwrap_or(rest.len())]
}

/// Modules at the top of a crate, without tests, as `lib.rs` lists them.
fn rooms(crate_name: &str) -> Vec<String> {
    let lib = read(&format!("crates/{crate_name}/src/lib.rs"));
    let module = |line: &str| {
        let name =
            line.strip_prefix("pub ").unwrap_or(line).strip_prefix("mod ")?.strip_suffix(';')?;
        (name != "tests").then(|| name.to_owned())
    };
    lib.lines().filter_map(module).collect()
}

/// What stands between backticks, without blocks of code.
fn code_spans(text: &str) -> Vec<String> {
    let prose = without_blocks(text);
    prose.split('`').skip(1).step_by(2).map(|span| span.replace('\n', " ")).collect()
}

fn without_blocks(text: &str) -> String {
    let mut inside = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            inside = !inside;
        } else if !inside {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// Is this the name of a file or a folder?
fn is_path(span: &str) -> bool {
    let ends = [".rs", ".py", ".pyi", ".md", ".toml", ".yaml", "/"];
    let of_names = |c: char| c.is_ascii_alphanumeric() || "._-/*".contains(c);
    span.chars().all(of_names) && (span.contains('/') || ends.iter().any(|end| span.ends_with(end)))
}

/// Paths are from the root, from `crates/`, or from the sources of any crate. `NAME` and `*` stand
/// for any name.
fn exists(path: &str) -> bool {
    let crates = root().join("crates");
    let mut places = vec![root(), crates.clone()];
    for entry in std::fs::read_dir(crates).unwrap() {
        let own = entry.unwrap().path();
        let inside = ["src", "tests", "benches", "examples", "python/argrad", "src/cones"];
        places.extend(inside.map(|folder| own.join(folder)));
        places.push(own);
    }
    let parts: Vec<&str> = path.trim_end_matches('/').split('/').collect();
    places.iter().any(|place| matches(place, &parts))
}

fn matches(place: &Path, parts: &[&str]) -> bool {
    let [first, rest @ ..] = parts else { return true };
    let Ok(entries) = std::fs::read_dir(place) else { return false };
    let pattern = first.replace("NAME", "*");
    let (before, after) = pattern.split_once('*').unwrap_or((&pattern, ""));
    entries.map(|entry| entry.unwrap().path()).any(|entry| {
        let full = name(&entry);
        // A module may be named without the end of its file's name.
        let stem = entry.file_stem().unwrap().to_string_lossy();
        let fits = if pattern.contains('*') {
            full.len() >= before.len() + after.len()
                && full.starts_with(before)
                && full.ends_with(after)
        } else {
            full == pattern || rest.is_empty() && stem == pattern
        };
        fits && matches(&entry, rest)
    })
}

/// Targets of links that stay in the repository.
fn links(text: &str) -> Vec<String> {
    let prose = without_blocks(text);
    let target = |rest: &str| {
        let link: String = rest.split(')').next().unwrap().to_owned();
        (!link.contains("://") && !link.contains(' ')).then_some(link)
    };
    prose.split("](").skip(1).filter_map(target).collect()
}

/// Anchors of the headings of a page, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = without_blocks(text);
    let headings = headings.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| -> String {
        let title = line.trim_start_matches('#').trim().to_lowercase();
        let kept = |c: &char| c.is_alphanumeric() || "-_ ".contains(*c);
        title.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}
