//! The function's network, where it has one of its own: given by parameters, or made here without a way to the internet.

use super::Lake;
use crate::{
    cfn::{
        Handle, Parameter, Resource, Template, Value,
        ec2::{
            Egress, Ingress, Port, Protocol, RouteTable, SecurityGroup, Subnet, SubnetRouteTableAssociation, Vpc,
            VpcEndpoint, VpcEndpointType,
        },
        lambda::VpcConfig,
        pseudo,
        resource::Finding,
    },
    options::Network,
    sub,
};

/// Where in the network the function stands.
pub(super) struct Placement {
    subnets: Value<Vec<Value<String>>>,
    security_groups: Value<Vec<Value<String>>>,
}

impl Placement {
    pub(super) fn config(&self) -> VpcConfig {
        VpcConfig { security_group_ids: self.security_groups.clone(), subnet_ids: self.subnets.clone() }
    }
}

/// The network that was chosen.
pub(super) fn network(template: &mut Template, lake: &Lake) -> Option<Placement> {
    match lake.options.network {
        Network::None => None,
        Network::Given => Some(given(template)),
        Network::Made => Some(made(template, lake)),
    }
}

fn given(template: &mut Template) -> Placement {
    let subnets = Parameter::subnets("The function's subnets. They need a way to S3.");
    let groups = Parameter::security_groups("The function's security groups.");
    Placement {
        subnets: template.parameter("SubnetIds", &subnets),
        security_groups: template.parameter("SecurityGroupIds", &groups),
    }
}

const RANGE: &str = "10.80.0.0/24";
const SUBNETS: [(&str, &str, u32); 2] = [("SubnetA", "10.80.0.0/25", 0), ("SubnetB", "10.80.0.128/25", 1)];

/// Log lines and traces leave by way of Lambda itself; what the function calls is S3, and Step Functions where it may.
fn made(template: &mut Template, lake: &Lake) -> Placement {
    let vpc =
        Vpc { cidr_block: Some(RANGE.to_owned()), enable_dns_hostnames: Some(true), enable_dns_support: Some(true) };
    let vpc = template.add(vpc.named("Network"));
    let routes = template.add(RouteTable { vpc_id: vpc.name() }.named("Routes"));
    let subnets = SUBNETS.map(|subnet| made_subnet(template, (&vpc, &routes), subnet));
    let gateway =
        VpcEndpoint { route_table_ids: Some(vec![routes.name()]), ..endpoint(&vpc, "s3", VpcEndpointType::Gateway) };
    template.add(gateway.named("S3Endpoint"));
    let functions = template.add(function_group(&vpc).named("FunctionGroup").accepting(
        Finding::Ours("open-egress"),
        "S3's addresses are public ones, and there is no route out but the endpoints",
    ));
    if lake.options.state_machine.is_some() {
        let endpoints = template.add(endpoint_group(&vpc).named("EndpointGroup"));
        let interface = VpcEndpoint {
            private_dns_enabled: Some(true),
            security_group_ids: Some(vec![endpoints.group_id()]),
            subnet_ids: Some(subnets.to_vec()),
            ..endpoint(&vpc, "states", VpcEndpointType::Interface)
        };
        template.add(interface.named("StatesEndpoint"));
    }
    Placement { subnets: subnets.to_vec().into(), security_groups: vec![functions.group_id()].into() }
}

fn made_subnet(
    template: &mut Template,
    (vpc, routes): (&Handle<Vpc>, &Handle<RouteTable>),
    (id, range, zone): (&str, &str, u32),
) -> Value<String> {
    let subnet = Subnet {
        availability_zone: Some(pseudo::availability_zone(zone)),
        cidr_block: Some(range.to_owned()),
        vpc_id: vpc.name(),
    };
    let subnet = template.add(subnet.named(id));
    let association = SubnetRouteTableAssociation { route_table_id: routes.name(), subnet_id: subnet.name() };
    template.add(association.named(format!("{id}Routes")));
    subnet.name()
}

fn endpoint(vpc: &Handle<Vpc>, service: &str, kind: VpcEndpointType) -> VpcEndpoint {
    VpcEndpoint {
        policy_document: None,
        private_dns_enabled: None,
        route_table_ids: None,
        security_group_ids: None,
        service_name: sub!["com.amazonaws.", pseudo::region(), ".", service],
        subnet_ids: None,
        vpc_endpoint_type: kind,
        vpc_id: vpc.name(),
    }
}

const HTTPS: Port = Port::of::<443>();

fn function_group(vpc: &Handle<Vpc>) -> SecurityGroup {
    SecurityGroup {
        group_description: "The function".to_owned(),
        security_group_egress: Some(vec![Egress {
            cidr_ip: "0.0.0.0/0".to_owned(),
            description: "HTTPS to the endpoints".to_owned(),
            from_port: HTTPS,
            ip_protocol: Protocol::Tcp,
            to_port: HTTPS,
        }]),
        security_group_ingress: None,
        vpc_id: Some(vpc.name()),
    }
}

fn endpoint_group(vpc: &Handle<Vpc>) -> SecurityGroup {
    SecurityGroup {
        group_description: "The endpoints of AWS services".to_owned(),
        security_group_egress: None,
        security_group_ingress: Some(vec![Ingress {
            cidr_ip: RANGE.to_owned(),
            description: "HTTPS from the function".to_owned(),
            from_port: HTTPS,
            ip_protocol: Protocol::Tcp,
            to_port: HTTPS,
        }]),
        vpc_id: Some(vpc.name()),
    }
}
