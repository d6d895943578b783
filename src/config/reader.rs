//! Takes the parsed file apart, key by key.
//!
//! Asking for a key is what makes it known: whatever nobody asked for is an unknown key, so
//! the list of allowed keys can't fall behind the code. Each answer also goes into the
//! record behind `config show`, with its source. Nothing stops at the first mistake.

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::{Fault, Problems, Reported, nearest, presentable};
use super::file::File;
use super::overrides::Override;
use super::place::Source;
use super::record::Record;
use super::render::{self, Render};
use super::schema::Schema;
use super::value::{Input, Read, Refusal, kind};

/// A value and where it comes from.
#[derive(Clone, Debug)]
pub(super) struct Given<T> {
    pub(super) value: T,
    pub(super) source: Source,
}

/// An optional value: absent, given, or wrong and reported.
pub(super) type Optional<T> = Result<Option<Given<T>>, Reported>;

/// The file, and what has been learned from it so far.
pub(super) struct Reader<'d> {
    file: Option<&'d File>,
    root: Option<&'d DeTable<'d>>,
    pub(super) problems: Problems,
    pub(super) record: Record,
    /// Each key that was asked for, with what its values look like.
    pub(super) schema: Schema,
    pub(super) warnings: Vec<(Source, String)>,
    known: Vec<(String, Vec<String>)>,
    unknown: Vec<Unknown>,
}

/// A key that nobody asked for. Told at the end, when the keys of all sections are known.
struct Unknown {
    key: String,
    section: String,
    place: Source,
}

impl<'d> Reader<'d> {
    /// Reads from a file, or from nothing.
    pub(super) fn new(document: Option<(&'d File, &'d DeTable<'d>)>) -> Self {
        Self {
            file: document.map(|(file, _)| file),
            root: document.map(|(_, root)| root),
            problems: Problems::default(),
            record: Record::default(),
            schema: Schema::default(),
            warnings: Vec::new(),
            known: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// The whole document as a section: its keys are the sections.
    pub(super) fn root(&mut self) -> Section<'_, 'd> {
        let table = self.root;
        Section::new(String::new(), String::new(), table, self)
    }

    /// Where something is missing: in the file if there is one, else on the command line.
    pub(super) fn missing_at(&self, flag: &'static str) -> Source {
        self.file.map_or(Source::Flag(flag), File::whole)
    }

    /// The name of the file, if there is one.
    pub(super) fn file_name(&self) -> Option<&str> {
        self.file.map(File::name)
    }

    /// Notes what works but deserves a look.
    pub(super) fn warn(&mut self, place: &Source, message: impl Into<String>) {
        self.warnings.push((place.clone(), message.into()));
    }

    /// Reports the unknown keys; to be called once, after everything was asked for.
    pub(super) fn report_unknown(&mut self) {
        for unknown in std::mem::take(&mut self.unknown) {
            let advice = self.advice(&unknown);
            let Unknown { key, section, place } = unknown;
            let section =
                if section.is_empty() { "at the top".to_owned() } else { format!("in {section}") };
            self.problems.report(place, Fault::UnknownKey { key, section, advice });
        }
    }

    fn advice(&self, unknown: &Unknown) -> String {
        let key = unknown.key.as_str();
        let mut here = Vec::new();
        let mut elsewhere = Vec::new();
        for (section, keys) in &self.known {
            for known in keys.iter().map(String::as_str) {
                if *section == unknown.section {
                    here.push(known);
                } else if !section.is_empty() {
                    elsewhere.push((section, known));
                }
            }
        }
        here.sort_unstable();
        here.dedup();
        let home = |meant| elsewhere.iter().find(|(_, known)| *known == meant);
        let hint = if let Some((section, _)) = home(key) {
            format!("it belongs in {section}; ")
        } else if let Some(meant) = nearest(key, here.iter().copied()) {
            format!("did you mean `{meant}`? ")
        } else {
            nearest(key, elsewhere.iter().map(|(_, known)| *known))
                .and_then(home)
                .map(|(section, meant)| format!("did you mean `{meant}` in {section}? "))
                .unwrap_or_default()
        };
        format!("{hint}known here: {}", here.join(", "))
    }
}

/// One table of the file; also stands for a table that is not there.
pub(super) struct Section<'r, 'd> {
    /// `server.limits`, for naming a key.
    name: String,
    /// `[server.limits]`, for naming the section.
    header: String,
    table: Option<&'d DeTable<'d>>,
    /// Something else stands where this table should; its keys are not missing besides.
    broken: Option<Reported>,
    asked: Vec<String>,
    pub(super) reader: &'r mut Reader<'d>,
}

impl<'r, 'd> Section<'r, 'd> {
    const fn new(
        name: String,
        header: String,
        table: Option<&'d DeTable<'d>>,
        reader: &'r mut Reader<'d>,
    ) -> Self {
        Self { name, header, table, broken: None, asked: Vec::new(), reader }
    }

    fn entry(&mut self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.asked.push(key.to_owned());
        self.table.and_then(|table| table.get(key))
    }

    /// A key with its section: `server.limits.header_bytes`.
    pub(super) fn full(&self, key: &str) -> String {
        let key = render::key(key);
        if self.name.is_empty() { key } else { format!("{}.{key}", self.name) }
    }

    /// A table in this one.
    pub(super) fn child(&mut self, key: &str) -> Section<'_, 'd> {
        let entry = self.entry(key);
        let name = self.full(key);
        let header = format!("[{name}]");
        let (table, broken) = match entry.map(|entry| (entry, entry.get_ref())) {
            None => (None, None),
            Some((_, DeValue::Table(table))) => (Some(table), None),
            Some((entry, other)) => {
                let why = format!("is {}; write {header} and its keys below it", kind(other));
                (None, Some(self.refuse(key, entry, why)))
            }
        };
        self.reader.record.section(&header);
        let section = Section::new(name, header, table, self.reader);
        Section { broken, ..section }
    }

    /// The tables written `[[key]]`, each with its place.
    pub(super) fn list(&mut self, key: &str) -> Result<Vec<(Source, &'d DeTable<'d>)>, Reported> {
        let Some(entry) = self.entry(key) else { return Ok(Vec::new()) };
        let items = match entry.get_ref() {
            DeValue::Array(items) => items,
            DeValue::Table(_) => {
                let message = format!("[{key}] is a single table; write [[{key}]], two brackets");
                return Err(self.reader.problems.conflict(&self.spot(entry), message));
            }
            other => {
                let why = format!("is {}; write [[{key}]] and its keys below it", kind(other));
                return Err(self.refuse(key, entry, why));
            }
        };
        let mut tables = Vec::new();
        for item in items {
            match item.get_ref() {
                DeValue::Table(table) => tables.push((self.spot(item), table)),
                other => {
                    let why = format!("is {}; write [[{key}]] and its keys below it", kind(other));
                    return Err(self.refuse(key, item, why));
                }
            }
        }
        Ok(tables)
    }

    /// One table of a list.
    pub(super) fn item(&mut self, key: &str, table: Option<&'d DeTable<'d>>) -> Section<'_, 'd> {
        let name = self.full(key);
        let header = format!("[[{name}]]");
        self.reader.schema.list(&name);
        self.reader.record.section(&header);
        Section::new(name, header, table, self.reader)
    }

    /// The keys that stand in this table.
    pub(super) fn keys(&self) -> Vec<(String, Source)> {
        let Some(table) = self.table else { return Vec::new() };
        table.keys().map(|key| (key.get_ref().to_string(), self.spot(key))).collect()
    }

    /// The value of a key, from whoever has precedence; not recorded.
    pub(super) fn given<T>(
        &mut self,
        key: &str,
        over: Option<&Override>,
        read: impl Read<T>,
    ) -> Optional<T> {
        let entry = self.entry(key);
        if let Some(Override { text, source }) = over {
            return match read.read(Input::Word(text)) {
                Ok(value) => Ok(Some(Given { value, source: source.clone() })),
                Err(Refusal(why)) => {
                    let value = presentable(&format!("\"{text}\""));
                    let fault = Fault::Refused { key: self.full(key), value, why };
                    Err(self.reader.problems.report(source.clone(), fault))
                }
            };
        }
        if let Some(reported) = self.broken {
            return Err(reported);
        }
        let (Some(entry), Some(file)) = (entry, self.reader.file) else { return Ok(None) };
        match read.read(Input::Value(entry.get_ref(), file)) {
            Ok(value) => Ok(Some(Given { value, source: self.spot(entry) })),
            Err(Refusal(why)) => Err(self.refuse(key, entry, why)),
        }
    }

    /// A key without a default.
    pub(super) fn optional<T: Render>(
        &mut self,
        key: &str,
        over: Option<&Override>,
        read: impl Read<T>,
    ) -> Optional<T> {
        let bounds = read.bounds();
        let given = self.given(key, over, read)?;
        match &given {
            Some(given) => self.note(key, &given.value, &given.source),
            None => {
                self.reader.schema.key(&self.name, key, T::schema());
                self.reader.record.unset(key, "");
            }
        }
        self.narrow(key, bounds);
        Ok(given)
    }

    /// A key with a default.
    pub(super) fn setting<T: Render>(
        &mut self,
        key: &str,
        over: Option<&Override>,
        default: T,
        read: impl Read<T>,
    ) -> Result<Given<T>, Reported> {
        let bounds = read.bounds();
        let given = self
            .given(key, over, read)?
            .unwrap_or(Given { value: default, source: Source::Default("") });
        self.note(key, &given.value, &given.source);
        self.narrow(key, bounds);
        Ok(given)
    }

    /// A key whose default is what another section says, and `why` names it.
    pub(super) fn inherited<T: Render>(
        &mut self,
        key: &str,
        default: T,
        why: &'static str,
        read: impl Read<T>,
    ) -> Result<Given<T>, Reported> {
        let bounds = read.bounds();
        let given = self
            .given(key, None, read)?
            .unwrap_or(Given { value: default, source: Source::Default(why) });
        self.note(key, &given.value, &given.source);
        self.narrow(key, bounds);
        Ok(given)
    }

    /// Records a value for `config show`.
    pub(super) fn note<T: Render>(&mut self, key: &str, value: &T, source: &Source) {
        self.reader.schema.key(&self.name, key, T::schema());
        self.reader.record.set(key, value.render(), source);
    }

    /// Adds bounds to what the schema says of a key that was noted.
    pub(super) fn narrow(&mut self, key: &str, bounds: Option<Value>) {
        if let Some(bounds) = bounds {
            self.reader.schema.narrow(&self.name, key, bounds);
        }
    }

    /// A key that must be there; `at` is where its table stands.
    pub(super) fn required<T>(
        &mut self,
        key: &str,
        given: Optional<T>,
        at: &Source,
    ) -> Result<Given<T>, Reported> {
        given?.ok_or_else(|| {
            let message = format!("{} is missing in this {}", self.full(key), self.header);
            self.reader.problems.conflict(at, message)
        })
    }

    /// Reports what nobody asked for.
    pub(super) fn close(self) {
        for (key, place) in self.keys() {
            if !self.asked.contains(&key) {
                self.reader.unknown.push(Unknown { key, section: self.header.clone(), place });
            }
        }
        self.reader.known.push((self.header, self.asked));
    }

    fn refuse(&mut self, key: &str, entry: &Spanned<DeValue<'_>>, why: String) -> Reported {
        let written = self.reader.file.map_or("", |file| file.slice(entry.span()));
        let fault = Fault::Refused { key: self.full(key), value: presentable(written), why };
        self.reader.problems.report(self.spot(entry), fault)
    }

    fn spot<T>(&self, item: &Spanned<T>) -> Source {
        self.reader.file.map_or(Source::Default(""), |file| file.spot(item.span().start))
    }
}
