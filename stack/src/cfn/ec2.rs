//! Amazon EC2's networks, as far as a function needs them.

use serde::Serialize;

use super::{
    Bounded, Value,
    iam::{Document, ResourceStatement},
    resource::resource,
};

#[derive(Debug, Clone, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Vpc {
    pub cidr_block: Option<String>,
    pub enable_dns_hostnames: Option<bool>,
    pub enable_dns_support: Option<bool>,
}

resource!(Vpc = "AWS::EC2::VPC", stateful: false, create_only: ["CidrBlock"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Subnet {
    pub availability_zone: Option<Value<String>>,
    pub cidr_block: Option<String>,
    pub vpc_id: Value<String>,
}

resource!(Subnet = "AWS::EC2::Subnet", stateful: false, create_only: ["AvailabilityZone", "CidrBlock", "VpcId"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct SecurityGroup {
    pub group_description: String,
    pub security_group_egress: Option<Vec<Egress>>,
    pub security_group_ingress: Option<Vec<Ingress>>,
    pub vpc_id: Option<Value<String>>,
}

resource!(SecurityGroup = "AWS::EC2::SecurityGroup", stateful: false, create_only: ["GroupDescription", "VpcId"],
    group_id: String = "GroupId");

/// A port of TCP; -1 stands for none elsewhere and is not needed here.
pub type Port = Bounded<0, 65_535>;

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Egress {
    pub cidr_ip: String,
    pub description: String,
    pub from_port: Port,
    pub ip_protocol: Protocol,
    pub to_port: Port,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct Ingress {
    pub cidr_ip: String,
    pub description: String,
    pub from_port: Port,
    pub ip_protocol: Protocol,
    pub to_port: Port,
}

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct RouteTable {
    pub vpc_id: Value<String>,
}

resource!(RouteTable = "AWS::EC2::RouteTable", stateful: false, create_only: ["VpcId"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct SubnetRouteTableAssociation {
    pub route_table_id: Value<String>,
    pub subnet_id: Value<String>,
}

resource!(SubnetRouteTableAssociation = "AWS::EC2::SubnetRouteTableAssociation", stateful: false,
    create_only: ["RouteTableId", "SubnetId"]);

#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "PascalCase")]
pub struct VpcEndpoint {
    pub policy_document: Option<Document<ResourceStatement>>,
    pub private_dns_enabled: Option<bool>,
    pub route_table_ids: Option<Vec<Value<String>>>,
    pub security_group_ids: Option<Vec<Value<String>>>,
    pub service_name: Value<String>,
    pub subnet_ids: Option<Vec<Value<String>>>,
    pub vpc_endpoint_type: VpcEndpointType,
    pub vpc_id: Value<String>,
}

resource!(VpcEndpoint = "AWS::EC2::VPCEndpoint", stateful: false, create_only: ["ServiceName", "VpcEndpointType", "VpcId"]);

#[derive(Debug, Clone, Copy, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum VpcEndpointType {
    Gateway,
    Interface,
}
