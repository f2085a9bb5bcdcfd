//! The arrows between the rooms of each crate: they run downward, and in no circles.
//!
//! A *room* is a module at the top of a crate. `lib.rs` lists the rooms in order; a room may use
//! those that are listed before it. What is used is read from the sources: every path that starts
//! with `crate::`, and every chain of `super::` that leaves a room. Tests (`#[cfg(test)]`,
//! `tests.rs`, `tests/`) may use everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};
use quote::ToTokens;

/// A crate, and how many violations it still has. These numbers may only fall.
struct Allowance {
    crate_name: &'static str,
    /// Pairs of rooms of which the first uses the second, which `lib.rs` lists later.
    upward: usize,
    /// Sets of rooms that use each other, directly or by way of others.
    circles: usize,
    /// Files that use what another room makes through a re-export of `lib.rs`.
    through_lib: usize,
    /// Sets of files within a room that use each other.
    inner_circles: usize,
}

const ALLOWANCES: [Allowance; 7] = [
    Allowance::new("argrad-solver", 0, 0, 0, 0),
    // One circle of files is meant: an atom writes a graph, which holds functions of parameters,
    // which are atoms.
    Allowance::new("argrad", 0, 0, 0, 1),
    Allowance::new("argrad-burn", 0, 0, 0, 0),
    Allowance::new("argrad-candle", 0, 0, 0, 0),
    Allowance::new("argrad-applications", 0, 0, 0, 0),
    Allowance::new("argrad-python", 0, 0, 0, 0),
    Allowance::new("argrad-gpu", 0, 0, 0, 0),
];

impl Allowance {
    const fn new(
        crate_name: &'static str,
        upward: usize,
        circles: usize,
        through_lib: usize,
        inner_circles: usize,
    ) -> Self {
        Self { crate_name, upward, circles, through_lib, inner_circles }
    }
}

#[test]
fn arrows_between_rooms_run_downward_and_in_no_circles() {
    let mut complaints = String::new();
    for allowance in &ALLOWANCES {
        let found = Arrows::of(allowance.crate_name);
        for (what, list, allowed) in [
            ("upward arrows", found.upward(), allowance.upward),
            ("circles of rooms", found.circles(), allowance.circles),
            ("uses through lib.rs", found.through_lib(), allowance.through_lib),
            ("circles of files", found.inner_circles(), allowance.inner_circles),
        ] {
            let name = allowance.crate_name;
            println!("{name}: {} {what}, {allowed} allowed", list.len());
            if list.len() > allowed {
                let found = list.len();
                writeln!(complaints, "{name}: {found} {what}, at most {allowed} allowed").unwrap();
                list.iter().for_each(|line| writeln!(complaints, "    {line}").unwrap());
            }
        }
    }
    assert!(complaints.is_empty(), "\n{complaints}");
}

/// Everything that the files of a crate use of each other.
#[derive(Default)]
struct Arrows {
    /// Rooms in the order of `lib.rs`.
    rooms: Vec<String>,
    /// (file, its room, room used).
    between: BTreeSet<(String, String, String)>,
    /// (file, its room, name used that is no room).
    through_lib: BTreeSet<(String, String, String)>,
    /// By room: (module, module used), both directly in the room.
    within: BTreeMap<String, BTreeSet<(String, String)>>,
}

impl Arrows {
    fn of(crate_name: &str) -> Self {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(crate_name).join("src");
        let lib = parse(&source.join("lib.rs"));
        let mut arrows = Self { rooms: modules(&lib.items), ..Self::default() };
        for room in arrows.rooms.clone() {
            let (file, folder) = (source.join(format!("{room}.rs")), source.join(&room));
            if file.exists() {
                arrows.file(&source, &file, std::slice::from_ref(&room), &BTreeMap::new());
            }
            if folder.is_dir() {
                let made_in = re_exports(&folder.join("mod.rs"));
                for (file, path) in sources(&folder, vec![room]) {
                    arrows.file(&source, &file, &path, &made_in);
                }
            }
        }
        arrows
    }

    /// Reads one file, the module `path` of the crate. `made_in` says in which module of the room a
    /// name that the room re-exports is made.
    fn file(
        &mut self,
        source: &Path,
        file: &Path,
        path: &[String],
        made_in: &BTreeMap<String, String>,
    ) {
        let mut uses = Vec::new();
        read_items(&parse(file).items, path, &mut uses);
        let name = file.strip_prefix(source).unwrap().display().to_string();
        let room = &path[0];
        for used in uses {
            let Some(first) = used.first() else { continue };
            if first != room {
                let set = if self.rooms.contains(first) {
                    &mut self.between
                } else {
                    &mut self.through_lib
                };
                set.insert((name.clone(), room.clone(), first.clone()));
            } else if let (Some(own), Some(other)) = (path.get(1), used.get(1)) {
                let other = made_in.get(other).unwrap_or(other);
                if own != other {
                    let within = self.within.entry(room.clone()).or_default();
                    within.insert((own.clone(), other.clone()));
                }
            }
        }
    }

    fn position(&self, room: &str) -> usize {
        self.rooms.iter().position(|own| own == room).unwrap()
    }

    /// One line for each pair of rooms, with the files.
    fn upward(&self) -> Vec<String> {
        let mut pairs: BTreeMap<(&str, &str), Vec<&str>> = BTreeMap::new();
        for (file, from, to) in &self.between {
            if self.position(from) < self.position(to) {
                pairs.entry((from, to)).or_default().push(file);
            }
        }
        let line = |((from, to), files): (&(&str, &str), &Vec<&str>)| {
            format!("{from} -> {to} ({})", files.join(", "))
        };
        pairs.iter().map(line).collect()
    }

    fn circles(&self) -> Vec<String> {
        let pairs = self.between.iter().map(|(_, from, to)| (from.clone(), to.clone()));
        circles(&pairs.collect())
    }

    fn through_lib(&self) -> Vec<String> {
        let mut files: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for (file, _, name) in &self.through_lib {
            files.entry(file).or_default().push(format!("crate::{name}"));
        }
        files.iter().map(|(file, names)| format!("{file}: {}", names.join(", "))).collect()
    }

    fn inner_circles(&self) -> Vec<String> {
        let of = |(room, pairs): (&String, &BTreeSet<(String, String)>)| -> Vec<String> {
            circles(pairs).iter().map(|circle| format!("{room}: {circle}")).collect()
        };
        self.within.iter().flat_map(of).collect()
    }
}

/// Sets of nodes that reach each other, more than one node each.
fn circles(pairs: &BTreeSet<(String, String)>) -> Vec<String> {
    let reached = |from: &str| {
        let (mut seen, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(node) = open.pop() {
            for (_, to) in pairs.iter().filter(|(own, _)| *own == node) {
                if seen.insert(to.clone()) {
                    open.push(to.clone());
                }
            }
        }
        seen
    };
    let nodes: BTreeSet<&String> = pairs.iter().map(|(from, _)| from).collect();
    let reach: BTreeMap<&String, BTreeSet<String>> =
        nodes.iter().map(|node| (*node, reached(node))).collect();
    let circle = |node: &&String| -> Option<Vec<&str>> {
        let own = &reach[*node];
        let others = own.iter().filter(|to| reach.get(to).is_some_and(|r| r.contains(*node)));
        let members: Vec<&str> = others.map(String::as_str).collect();
        (members.len() > 1).then_some(members)
    };
    let distinct: BTreeSet<Vec<&str>> = nodes.iter().filter_map(circle).collect();
    distinct.iter().map(|members| members.join(", ")).collect()
}

fn parse(file: &Path) -> syn::File {
    let text = std::fs::read_to_string(file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()))
}

/// Modules that are not tests, in order.
fn modules(items: &[syn::Item]) -> Vec<String> {
    let name = |item: &syn::Item| match item {
        syn::Item::Mod(module) if !is_test(&module.attrs) => Some(module.ident.to_string()),
        _ => None,
    };
    items.iter().filter_map(name).collect()
}

/// For what `mod.rs` re-exports from its own modules: the module.
fn re_exports(file: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    if !file.exists() {
        return found;
    }
    let items = parse(file).items;
    let own = modules(&items);
    for item in &items {
        let syn::Item::Use(item) = item else { continue };
        let mut paths = Vec::new();
        read_tree(&item.tree, Vec::new(), &mut paths);
        for path in paths {
            let path: Vec<String> = path.into_iter().filter(|part| part != "self").collect();
            if let (Some(first), Some(last)) = (path.first(), path.last())
                && own.contains(first)
            {
                found.insert(last.clone(), first.clone());
            }
        }
    }
    found
}

/// Source files below a folder, with the module of each.
fn sources(folder: &Path, path: Vec<String>) -> Vec<(PathBuf, Vec<String>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let file = entry.unwrap().path();
        let stem = file.file_stem().unwrap().to_string_lossy().into_owned();
        if stem == "tests" {
            continue;
        }
        let mut own = path.clone();
        if stem != "mod" {
            own.push(stem);
        }
        if file.is_dir() {
            found.extend(sources(&file, own));
        } else if file.extension().is_some_and(|extension| extension == "rs") {
            found.push((file, own));
        }
    }
    found
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    let says_test = |attribute: &syn::Attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.meta.to_token_stream().to_string().contains("test")
    };
    attributes.iter().any(says_test)
}

/// Paths from the root of the crate that these items use; they stand in the module `path`.
fn read_items(items: &[syn::Item], path: &[String], uses: &mut Vec<Vec<String>>) {
    for item in items {
        match item {
            syn::Item::Mod(module) if is_test(&module.attrs) => {}
            syn::Item::Mod(module) => {
                let mut inner = path.to_vec();
                inner.push(module.ident.to_string());
                if let Some((_, items)) = &module.content {
                    read_items(items, &inner, uses);
                }
            }
            syn::Item::Use(item) if is_test(&item.attrs) => {}
            syn::Item::Fn(item) if is_test(&item.attrs) => {}
            syn::Item::Impl(item) if is_test(&item.attrs) => {}
            syn::Item::Use(item) => {
                let mut paths = Vec::new();
                read_tree(&item.tree, Vec::new(), &mut paths);
                uses.extend(paths.into_iter().filter_map(|used| from_root(&used, path)));
            }
            other => read_tokens(other.to_token_stream(), path, uses),
        }
    }
}

/// All paths of a tree of `use`.
fn read_tree(tree: &syn::UseTree, mut before: Vec<String>, paths: &mut Vec<Vec<String>>) {
    match tree {
        syn::UseTree::Path(path) => {
            before.push(path.ident.to_string());
            read_tree(&path.tree, before, paths);
        }
        syn::UseTree::Name(name) => {
            before.push(name.ident.to_string());
            paths.push(before);
        }
        syn::UseTree::Rename(name) => {
            before.push(name.ident.to_string());
            paths.push(before);
        }
        syn::UseTree::Glob(_) => paths.push(before),
        syn::UseTree::Group(group) => {
            group.items.iter().for_each(|tree| read_tree(tree, before.clone(), paths));
        }
    }
}

/// Paths in code: `crate::a::b` and `super::super::a`, in macros too.
fn read_tokens(tokens: TokenStream, path: &[String], uses: &mut Vec<Vec<String>>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let ident = |at: usize| match tokens.get(at) {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    };
    let is_colon = |at: usize| match tokens.get(at) {
        Some(TokenTree::Punct(punct)) => punct.as_char() == ':',
        _ => false,
    };
    let mut at = 0;
    while at < tokens.len() {
        if let TokenTree::Group(group) = &tokens[at] {
            read_tokens(group.stream(), path, uses);
        }
        let starts = matches!(ident(at).as_deref(), Some("crate" | "super"));
        if !starts {
            at += 1;
            continue;
        }
        let mut used = vec![ident(at).unwrap()];
        while is_colon(at + 1) && is_colon(at + 2) {
            at += 3;
            match (ident(at), tokens.get(at)) {
                (Some(part), _) => used.push(part),
                // `use` inside of a function.
                (None, Some(TokenTree::Group(group))) if group.delimiter() == Delimiter::Brace => {
                    let tree: syn::UseTree = syn::parse2(tokens[at].to_token_stream()).unwrap();
                    let mut paths = Vec::new();
                    read_tree(&tree, used.clone(), &mut paths);
                    uses.extend(paths.into_iter().filter_map(|used| from_root(&used, path)));
                    used.clear();
                }
                _ => {}
            }
            if ident(at).is_none() {
                break;
            }
        }
        uses.extend(from_root(&used, path));
        at += 1;
    }
}

/// `crate::a` and enough `super`s as a path from the root; none for what stays in the module
/// itself, and for other crates.
fn from_root(used: &[String], path: &[String]) -> Option<Vec<String>> {
    let supers = used.iter().take_while(|part| *part == "super").count();
    if used.first().is_some_and(|part| part == "crate") {
        return Some(used[1..].to_vec());
    }
    if supers == 0 || supers > path.len() {
        return None;
    }
    let mut full = path[..path.len() - supers].to_vec();
    full.extend_from_slice(&used[supers..]);
    Some(full)
}

#[cfg(test)]
mod tests {
    use super::{circles, from_root, read_items};

    fn uses(text: &str, path: &[&str]) -> Vec<String> {
        let path: Vec<String> = path.iter().map(|part| part.to_string()).collect();
        let mut found = Vec::new();
        read_items(&syn::parse_file(text).unwrap().items, &path, &mut found);
        found.iter().map(|used| used.join("::")).collect()
    }

    #[test]
    fn paths_are_found_wherever_they_stand() {
        let text = "
            use crate::{one::A, two::{self, B}};
            use super::sibling::C;
            use super::super::three;
            use other::D;
            #[cfg(test)] mod tests { use crate::hidden::E; }
            mod inner { use super::super::super::four; }
            fn f(x: crate::five::F) { use crate::six::{G, H}; println!(\"{}\", crate::seven::i()); }
        ";
        let expected = [
            "one::A",
            "two::self",
            "two::B",
            "room::sibling::C",
            "three",
            "four",
            "five::F",
            "six::G",
            "six::H",
            "",
            "seven::i",
        ];
        let mut found = uses(text, &["room", "file"]);
        found.retain(|path| !path.is_empty());
        assert_eq!(found, expected.iter().filter(|e| !e.is_empty()).copied().collect::<Vec<_>>());
    }

    #[test]
    fn what_leaves_no_room_is_not_an_arrow() {
        let path = ["room".to_owned(), "file".to_owned()];
        let own = |text: &str| text.split("::").map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(from_root(&own("self::x"), &path), None);
        assert_eq!(from_root(&own("std::x"), &path), None);
        assert_eq!(from_root(&own("super::x"), &path), Some(own("room::x")));
    }

    #[test]
    fn circles_of_any_length_are_found() {
        let pairs = |list: &[(&str, &str)]| {
            list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
        };
        assert_eq!(circles(&pairs(&[("a", "b"), ("b", "c"), ("a", "c")])), Vec::<String>::new());
        let found = circles(&pairs(&[("a", "b"), ("b", "c"), ("c", "a"), ("c", "d")]));
        assert_eq!(found, ["a, b, c"]);
    }
}
