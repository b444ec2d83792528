//! No two files of a crate import each other, neither directly nor in a circle: who reads one file then knows which others it
//! stands on.
//!
//! A file imports another one where a path in its code, tests apart, names something that the other one defines. Re-exports
//! are followed to the definition and are no imports themselves, so the file of a module may list what its children have.

use anyhow::{Context, Result};
use proc_macro2::{Delimiter, Group, TokenStream, TokenTree};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A path of names, from the crate's root.
type Names = Vec<String>;

/// What a file says of itself.
#[derive(Default)]
struct Source {
    /// Paths in its code, as they are written, each with the module in which it is.
    paths: Vec<(Names, Names)>,
    /// What it re-exports: the name, and the path as it is written.
    exports: Vec<(String, Names)>,
}

/// The broken rules, a line each.
pub fn check() -> Result<Vec<String>> {
    let mut broken = Vec::new();
    for entry in fs::read_dir("crates").context("crates")? {
        let folder = entry?.path();
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        for circle in circles(&read(&folder.join("src"))?) {
            broken.push(format!("{name}: files that import each other: {}", circle.join(", ")));
        }
    }
    Ok(broken)
}

/// The files below `src`, by their modules.
fn read(src: &Path) -> Result<BTreeMap<Names, (String, TokenStream)>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
            let path: PathBuf = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let file = path.strip_prefix(src)?.to_string_lossy().replace('\\', "/");
                let text = fs::read_to_string(&path)?;
                let tokens = text.parse().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
                files.insert(module(&file), (file, tokens));
            }
        }
    }
    Ok(files)
}

/// The module that a file is.
fn module(file: &str) -> Names {
    let mut names: Names = file.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if names.last().is_some_and(|last| matches!(last.as_str(), "mod" | "lib" | "main")) {
        names.pop();
    }
    names
}

/// The files that import each other, a list a circle.
fn circles(files: &BTreeMap<Names, (String, TokenStream)>) -> Vec<Vec<String>> {
    let is_test = |module: &Names| module.last().is_some_and(|name| name == "tests");
    let sources: BTreeMap<&Names, Source> = files
        .iter()
        .filter(|(module, _)| !is_test(module))
        .map(|(module, (_, tokens))| {
            let mut source = Source::default();
            source.scan(tokens.clone(), module);
            (module, source)
        })
        .collect();
    let reach: BTreeMap<&Names, BTreeSet<&Names>> =
        sources.keys().map(|&from| (from, reached(&sources, from))).collect();
    let mut circles: Vec<Vec<&Names>> = Vec::new();
    for (&file, _) in reach.iter().filter(|(file, reached)| reached.contains(*file)) {
        match circles
            .iter_mut()
            .find(|circle| reach[file].contains(circle[0]) && reach[circle[0]].contains(file))
        {
            Some(circle) => circle.push(file),
            None => circles.push(vec![file]),
        }
    }
    circles.iter().map(|circle| circle.iter().map(|module| files[*module].0.clone()).collect()).collect()
}

/// The files that one imports, and those that these import.
fn reached<'a>(sources: &BTreeMap<&'a Names, Source>, from: &Names) -> BTreeSet<&'a Names> {
    let mut reached = BTreeSet::new();
    let mut open = imports(sources, from);
    while let Some(next) = open.pop() {
        if reached.insert(next) {
            open.extend(imports(sources, next));
        }
    }
    reached
}

/// The files that one imports.
fn imports<'a>(sources: &BTreeMap<&'a Names, Source>, from: &Names) -> Vec<&'a Names> {
    let paths = sources[from].paths.iter();
    let found = paths.filter_map(|(module, path)| definition(sources, absolute(sources, module, path)?));
    found.filter(|&file| file != from).collect()
}

/// A path from the crate's root, if it is one of the crate's own.
fn absolute(sources: &BTreeMap<&Names, Source>, module: &Names, path: &Names) -> Option<Names> {
    let mut at = module.clone();
    let mut rest = &path[..];
    match rest {
        [first, more @ ..] if first == "crate" => (at, rest) = (Names::new(), more),
        [first, more @ ..] if first == "self" => rest = more,
        [first, ..] if first == "super" => {
            while let [first, more @ ..] = rest
                && first == "super"
            {
                (rest, _) = (more, at.pop()?);
            }
        }
        [first, ..] => {
            let child = [&at[..], std::slice::from_ref(first)].concat();
            let exported = || sources.get(&at)?.exports.iter().find(|(name, _)| name == first);
            if !sources.contains_key(&child) && exported().is_none() {
                return None;
            }
        }
        [] => return None,
    }
    at.extend_from_slice(rest);
    Some(at)
}

/// The file that defines what a path from the root names.
fn definition<'a>(sources: &BTreeMap<&'a Names, Source>, mut path: Names) -> Option<&'a Names> {
    // As many re-exports of re-exports as anyone could follow.
    for _ in 0..16 {
        let deepest = (0..=path.len()).rev().find(|&n| sources.contains_key(&path[..n].to_vec()))?;
        let (file, source) = sources.get_key_value(&path[..deepest].to_vec())?;
        let exported = path.get(deepest).and_then(|name| source.exports.iter().find(|(own, _)| own == name));
        let Some((_, target)) = exported else { return Some(file) };
        let target = absolute(sources, file, target).filter(|target| *target != path);
        let Some(mut target) = target else { return Some(file) };
        target.extend_from_slice(&path[deepest + 1..]);
        path = target;
    }
    None
}

impl Source {
    /// Adds what stands in `tokens`, in the module `module`.
    fn scan(&mut self, tokens: TokenStream, module: &Names) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let (mut at, mut public) = (0, false);
        while let Some(token) = tokens.get(at) {
            at += 1;
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    if let Some(TokenTree::Group(group)) = tokens.get(at)
                        && group.delimiter() == Delimiter::Bracket
                    {
                        at += 1;
                        if group.stream().to_string().replace(' ', "") == "cfg(test)" {
                            at = behind_item(&tokens, at);
                        }
                    }
                }
                TokenTree::Ident(word) if *word == "pub" => {
                    let within = |group: &Group| group.delimiter() == Delimiter::Parenthesis;
                    at +=
                        usize::from(matches!(tokens.get(at), Some(TokenTree::Group(group)) if within(group)));
                    public = true;
                    continue;
                }
                TokenTree::Ident(word) if *word == "use" => {
                    let end = behind_item(&tokens, at);
                    let mut found = Vec::new();
                    tree(&tokens[at..end], &Names::new(), &mut found);
                    for (name, path) in found {
                        match public {
                            true => self.exports.push((name, path)),
                            false => self.paths.push((module.clone(), path)),
                        }
                    }
                    at = end;
                }
                TokenTree::Ident(word) if *word == "mod" => {
                    if let (Some(TokenTree::Ident(name)), Some(TokenTree::Group(body))) =
                        (tokens.get(at), tokens.get(at + 1))
                    {
                        let inner = [&module[..], &[name.to_string()]].concat();
                        self.scan(body.stream(), &inner);
                        at += 2;
                    }
                }
                TokenTree::Ident(word) => {
                    let mut path = vec![word.to_string()];
                    while let Some(next) = behind_colons(&tokens, at) {
                        path.push(next.0);
                        at = next.1;
                    }
                    // A name alone may be anything, unless it is written as those of types are.
                    if path.len() > 1 || path[0].starts_with(char::is_uppercase) {
                        self.paths.push((module.clone(), path));
                    }
                }
                TokenTree::Group(group) => self.scan(group.stream(), module),
                _ => {}
            }
            public = false;
        }
    }
}

/// The name behind `::`, and where it ends.
fn behind_colons(tokens: &[TokenTree], at: usize) -> Option<(String, usize)> {
    let colon = |at: usize| matches!(tokens.get(at), Some(TokenTree::Punct(punct)) if punct.as_char() == ':');
    match tokens.get(at + 2) {
        Some(TokenTree::Ident(name)) if colon(at) && colon(at + 1) => Some((name.to_string(), at + 3)),
        _ => None,
    }
}

/// Where the item ends that begins at `at`: behind its semicolon or its body.
fn behind_item(tokens: &[TokenTree], at: usize) -> usize {
    let is_use = matches!(tokens.get(at.wrapping_sub(1)), Some(TokenTree::Ident(word)) if *word == "use");
    let ends = |token: &TokenTree| match token {
        TokenTree::Punct(punct) => punct.as_char() == ';',
        TokenTree::Group(group) => !is_use && group.delimiter() == Delimiter::Brace,
        _ => false,
    };
    tokens[at..].iter().position(ends).map_or(tokens.len(), |end| at + end + 1)
}

/// The paths of a `use`, each with the name that it gives.
fn tree(tokens: &[TokenTree], before: &Names, found: &mut Vec<(String, Names)>) {
    let comma = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ',');
    for branch in tokens.split(comma) {
        let mut path = before.clone();
        let mut name = None;
        let mut words = branch.iter();
        while let Some(token) = words.next() {
            match token {
                TokenTree::Ident(word) if *word == "as" => name = words.next().map(ToString::to_string),
                TokenTree::Ident(word) if *word == "self" && !path.is_empty() => {}
                TokenTree::Ident(word) => path.push(word.to_string()),
                TokenTree::Group(group) => {
                    let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                    tree(&inner, &path, found);
                    path.clear();
                }
                _ => {}
            }
        }
        if let Some(last) = path.last() {
            found.push((name.unwrap_or_else(|| last.clone()), path.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let parsed =
            files.iter().map(|(file, text)| (module(file), ((*file).to_owned(), text.parse().unwrap())));
        circles(&parsed.collect())
    }

    #[test]
    fn a_circle_is_found_however_it_is_written() {
        let a = ("a.rs", "use crate::b::{self, B as C};");
        for b in [
            "use super::a::A;",
            "fn f() { crate::a::f() }",
            "fn f() { assert!(matches!(x, crate::a::A { .. })) }",
            "mod inner { use crate::a; }",
            "use crate::c::A;",
        ] {
            let files =
                [("lib.rs", "mod a; mod b; mod c;"), a, ("b.rs", b), ("c.rs", "pub use crate::a::A;")];
            assert_eq!(found(&files), [["a.rs", "b.rs"]], "{b}");
        }
    }

    #[test]
    fn longer_circles_are_one_and_others_stay_apart() {
        let files = [
            ("lib.rs", ""),
            ("a.rs", "use crate::b::B;"),
            ("b.rs", "use crate::c::C;"),
            ("c.rs", "use crate::a::A; use crate::d::D;"),
            ("d.rs", "use crate::e::E;"),
            ("e.rs", "use crate::d::D;"),
        ];
        assert_eq!(found(&files), [vec!["a.rs", "b.rs", "c.rs"], vec!["d.rs", "e.rs"]]);
    }

    #[test]
    fn lists_of_contents_tests_and_visibility_are_no_imports() {
        let files = [
            ("lib.rs", "mod a; pub use a::{A, B};"),
            ("a/mod.rs", "mod b; mod c; pub use b::{B, C as A}; pub(crate) use c::D;"),
            (
                "a/b.rs",
                "use super::D; pub(in crate::a) struct B; #[cfg(test)] mod tests { use crate::a::A; }",
            ),
            ("a/c.rs", "#[cfg(test)] use crate::B; struct D;"),
        ];
        assert_eq!(found(&files), Vec::<Vec<String>>::new());
    }

    #[test]
    fn a_module_that_uses_what_it_exports_imports_it() {
        let files = [
            ("lib.rs", "mod a;"),
            ("a/mod.rs", "mod b; pub use b::B; struct A; fn f(b: B) {}"),
            ("a/b.rs", "use super::A; pub struct B;"),
        ];
        assert_eq!(found(&files), [["a/mod.rs", "a/b.rs"]]);
    }
}
