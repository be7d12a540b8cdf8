//! The messages of `grpc.health.v1`, written out: no crate has `List` yet (floor 2).
//!
//! Source: `grpc/health/v1/health.proto` of grpc-proto. The descriptor beside them is for reflection,
//! and describes the same messages to those who ask the server what it speaks.
//!
//! **Invariant:** tags and numbers are those of the protocol, and never change.

use std::collections::BTreeMap;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MessageOptions, MethodDescriptorProto,
    ServiceDescriptorProto,
};

use super::ServingStatus;

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    pub(super) service: String,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct HealthCheckResponse {
    #[prost(enumeration = "Status", tag = "1")]
    pub(super) status: i32,
}

#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub(super) struct HealthListRequest {}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct HealthListResponse {
    #[prost(btree_map = "string, message", tag = "1")]
    pub(super) statuses: BTreeMap<String, HealthCheckResponse>,
}

/// `HealthCheckResponse.ServingStatus`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Status {
    Unknown = 0,
    Serving = 1,
    NotServing = 2,
    ServiceUnknown = 3,
}

impl From<Status> for HealthCheckResponse {
    fn from(status: Status) -> Self {
        Self {
            status: status.into(),
        }
    }
}

impl From<ServingStatus> for Status {
    fn from(status: ServingStatus) -> Self {
        match status {
            ServingStatus::Serving => Self::Serving,
            ServingStatus::NotServing => Self::NotServing,
        }
    }
}

/// The file that describes all of it.
pub(in crate::transport) fn descriptor_set() -> FileDescriptorSet {
    const RESPONSE: &str = ".grpc.health.v1.HealthCheckResponse";
    let status = EnumDescriptorProto {
        name: Some("ServingStatus".into()),
        value: [
            ("UNKNOWN", Status::Unknown),
            ("SERVING", Status::Serving),
            ("NOT_SERVING", Status::NotServing),
            ("SERVICE_UNKNOWN", Status::ServiceUnknown),
        ]
        .map(|(name, number)| EnumValueDescriptorProto {
            name: Some(name.into()),
            number: Some(number.into()),
            options: None,
        })
        .into(),
        ..EnumDescriptorProto::default()
    };
    let status_type = format!("{RESPONSE}.ServingStatus");
    // A map is a repeated entry of key and value in the language of descriptors.
    let entry = DescriptorProto {
        options: Some(MessageOptions {
            map_entry: Some(true),
            ..MessageOptions::default()
        }),
        ..message(
            "StatusesEntry",
            vec![
                field("key", 1, Label::Optional, Type::String, None),
                field("value", 2, Label::Optional, Type::Message, Some(RESPONSE)),
            ],
        )
    };
    let service = field("service", 1, Label::Optional, Type::String, None);
    let status_field = field("status", 1, Label::Optional, Type::Enum, Some(&status_type));
    let entry_type = ".grpc.health.v1.HealthListResponse.StatusesEntry";
    let statuses = field(
        "statuses",
        1,
        Label::Repeated,
        Type::Message,
        Some(entry_type),
    );
    let file = FileDescriptorProto {
        name: Some("grpc/health/v1/health.proto".into()),
        package: Some("grpc.health.v1".into()),
        syntax: Some("proto3".into()),
        message_type: vec![
            message("HealthCheckRequest", vec![service]),
            DescriptorProto {
                enum_type: vec![status],
                ..message("HealthCheckResponse", vec![status_field])
            },
            message("HealthListRequest", vec![]),
            DescriptorProto {
                nested_type: vec![entry],
                ..message("HealthListResponse", vec![statuses])
            },
        ],
        service: vec![ServiceDescriptorProto {
            name: Some("Health".into()),
            method: vec![
                method("Check", "HealthCheckRequest", "HealthCheckResponse", false),
                method("List", "HealthListRequest", "HealthListResponse", false),
                method("Watch", "HealthCheckRequest", "HealthCheckResponse", true),
            ],
            options: None,
        }],
        ..FileDescriptorProto::default()
    };
    FileDescriptorSet { file: vec![file] }
}

fn message(name: &str, field: Vec<FieldDescriptorProto>) -> DescriptorProto {
    DescriptorProto {
        name: Some(name.into()),
        field,
        ..DescriptorProto::default()
    }
}

fn field(
    name: &str,
    number: i32,
    label: Label,
    kind: Type,
    type_name: Option<&str>,
) -> FieldDescriptorProto {
    FieldDescriptorProto {
        name: Some(name.into()),
        json_name: Some(name.into()),
        number: Some(number),
        label: Some(label.into()),
        r#type: Some(kind.into()),
        type_name: type_name.map(Into::into),
        ..FieldDescriptorProto::default()
    }
}

fn method(name: &str, takes: &str, gives: &str, streams: bool) -> MethodDescriptorProto {
    MethodDescriptorProto {
        name: Some(name.into()),
        input_type: Some(format!(".grpc.health.v1.{takes}")),
        output_type: Some(format!(".grpc.health.v1.{gives}")),
        server_streaming: streams.then_some(true),
        ..MethodDescriptorProto::default()
    }
}
