//! What is in a server's descriptors, to be looked up by name (floor 2).
//!
//! **Invariant:** a file is handed out in the bytes that it came in, with every option that its author
//! gave it. **Invariant:** of two files with one name the first one counts.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use prost::Message;
use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
    ServiceDescriptorProto,
};

/// A `FileDescriptorSet` whose files stay as they are.
#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

/// Files, and where in them everything is that has a name.
#[derive(Debug, Default)]
pub(super) struct Index {
    files: Vec<Bytes>,
    names: BTreeMap<String, usize>,
    symbols: BTreeMap<String, usize>,
    messages: BTreeSet<String>,
    extensions: BTreeMap<String, BTreeMap<i32, usize>>,
    services: BTreeSet<String>,
}

impl Index {
    /// Takes in an encoded `FileDescriptorSet`.
    ///
    /// # Errors
    ///
    /// What is wrong with it: it is none, or has a file without a name.
    pub(super) fn add(&mut self, set: &[u8]) -> Result<(), String> {
        let set = FileSet::decode(set).map_err(|error| error.to_string())?;
        for bytes in set.file {
            let file = FileDescriptorProto::decode(bytes.clone());
            let file = file.map_err(|error| error.to_string())?;
            if file.name().is_empty() {
                return Err("one of its files has no name".into());
            }
            if let Entry::Vacant(name) = self.names.entry(file.name().to_owned()) {
                let place = self.files.len();
                name.insert(place);
                self.files.push(bytes);
                self.add_file(&file, place);
            }
        }
        Ok(())
    }

    /// The full names of all services, in alphabetical order.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// The file of this name.
    pub(super) fn file(&self, name: &str) -> Option<&Bytes> {
        self.files.get(*self.names.get(name)?)
    }

    /// The file that describes this symbol, by its full name.
    pub(super) fn file_of(&self, symbol: &str) -> Option<&Bytes> {
        self.files.get(*self.symbols.get(symbol)?)
    }

    /// The file that extends this message by a field of this number.
    pub(super) fn file_extending(&self, message: &str, number: i32) -> Option<&Bytes> {
        self.files.get(*self.extensions.get(message)?.get(&number)?)
    }

    /// The numbers of all fields by which this message is extended; `None` if there is no such message.
    pub(super) fn extensions_of(&self, message: &str) -> Option<Vec<i32>> {
        if !self.messages.contains(message) {
            return None;
        }
        let numbers = self.extensions.get(message);
        Some(numbers.map_or_else(Vec::new, |numbers| numbers.keys().copied().collect()))
    }

    fn add_file(&mut self, file: &FileDescriptorProto, place: usize) {
        let package = file.package();
        for message in &file.message_type {
            self.add_message(package, message, place);
        }
        for kind in &file.enum_type {
            self.add_enum(package, kind, place);
        }
        for extension in &file.extension {
            self.add_extension(package, extension, place);
        }
        for service in &file.service {
            self.add_service(package, service, place);
        }
    }

    fn add_service(&mut self, package: &str, service: &ServiceDescriptorProto, place: usize) {
        let name = within(package, service.name());
        for method in &service.method {
            self.symbols.insert(within(&name, method.name()), place);
        }
        self.symbols.insert(name.clone(), place);
        self.services.insert(name);
    }

    fn add_message(&mut self, scope: &str, message: &DescriptorProto, place: usize) {
        let name = within(scope, message.name());
        let fields = message.field.iter().map(FieldDescriptorProto::name);
        let choices = message.oneof_decl.iter().map(|choice| choice.name());
        for member in fields.chain(choices) {
            self.symbols.insert(within(&name, member), place);
        }
        for nested in &message.nested_type {
            self.add_message(&name, nested, place);
        }
        for kind in &message.enum_type {
            self.add_enum(&name, kind, place);
        }
        for extension in &message.extension {
            self.add_extension(&name, extension, place);
        }
        self.symbols.insert(name.clone(), place);
        self.messages.insert(name);
    }

    fn add_enum(&mut self, scope: &str, kind: &EnumDescriptorProto, place: usize) {
        let name = within(scope, kind.name());
        for value in &kind.value {
            // In protobuf a value stands beside its enum; there are clients that look inside of it.
            self.symbols.insert(within(scope, value.name()), place);
            self.symbols.insert(within(&name, value.name()), place);
        }
        self.symbols.insert(name, place);
    }

    fn add_extension(&mut self, scope: &str, extension: &FieldDescriptorProto, place: usize) {
        let message = extension.extendee().trim_start_matches('.').to_owned();
        let numbers = self.extensions.entry(message).or_default();
        numbers.insert(extension.number(), place);
        self.symbols.insert(within(scope, extension.name()), place);
    }
}

/// A full name.
fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() {
        name.to_owned()
    } else {
        format!("{scope}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost_types::{EnumValueDescriptorProto, FileDescriptorSet};

    fn extension(name: &str, number: i32) -> FieldDescriptorProto {
        FieldDescriptorProto {
            name: Some(name.into()),
            number: Some(number),
            extendee: Some(".shop.Order".into()),
            ..FieldDescriptorProto::default()
        }
    }

    /// `package shop; message Order { extensions …; enum State { OPEN = 0; } }`, extended here and inside.
    fn shop() -> FileDescriptorProto {
        let state = EnumDescriptorProto {
            name: Some("State".into()),
            value: vec![EnumValueDescriptorProto {
                name: Some("OPEN".into()),
                ..EnumValueDescriptorProto::default()
            }],
            ..EnumDescriptorProto::default()
        };
        let order = DescriptorProto {
            name: Some("Order".into()),
            enum_type: vec![state],
            extension: vec![extension("inside", 200)],
            ..DescriptorProto::default()
        };
        FileDescriptorProto {
            name: Some("shop.proto".into()),
            package: Some("shop".into()),
            message_type: vec![order],
            extension: vec![extension("discount", 100)],
            ..FileDescriptorProto::default()
        }
    }

    fn index(files: impl Into<Vec<FileDescriptorProto>>) -> Index {
        let mut index = Index::default();
        let set = FileDescriptorSet { file: files.into() };
        index.add(&set.encode_to_vec()).unwrap();
        index
    }

    #[test]
    fn everything_that_has_a_name_leads_to_its_file() {
        let index = index([shop()]);
        let file = index.file("shop.proto").unwrap();
        for symbol in [
            "shop.Order",
            "shop.Order.State",
            "shop.Order.State.OPEN",
            "shop.Order.OPEN",
            "shop.Order.inside",
            "shop.discount",
        ] {
            assert_eq!(index.file_of(symbol), Some(file), "{symbol}");
        }
        for number in [100, 200] {
            assert_eq!(index.file_extending("shop.Order", number), Some(file));
        }
        assert_eq!(index.extensions_of("shop.Order"), Some(vec![100, 200]));
        assert_eq!(index.file_of("Order"), None);
        assert_eq!(index.file_extending("shop.Order", 1), None);
        assert_eq!(index.extensions_of("shop.Order.State"), None);
        assert_eq!(index.services().count(), 0);
    }

    #[test]
    fn a_file_keeps_its_bytes_and_the_first_of_two_counts() {
        let mut bytes = shop().encode_to_vec();
        // Options of a file, with an extension that nobody here knows: field 8, and in it field 50000.
        let option = [0x42, 5, 0x82, 0xb5, 0x18, 1, b'x'];
        bytes.extend(option);
        let set = FileSet {
            file: vec![bytes.clone().into(), shop().encode_to_vec().into()],
        };
        let mut index = Index::default();
        index.add(&set.encode_to_vec()).unwrap();
        assert_eq!(index.file("shop.proto"), Some(&bytes.into()));
        assert_eq!(index.files.len(), 1);
    }

    #[test]
    fn what_is_no_set_of_named_files_is_refused() {
        let mut index = Index::default();
        assert!(index.add(b"no descriptors at all").is_err());
        let nameless = FileDescriptorSet {
            file: vec![FileDescriptorProto::default()],
        };
        let refused = index.add(&nameless.encode_to_vec()).unwrap_err();
        assert_eq!(refused, "one of its files has no name");
    }
}
