//! What adaptive clipping takes for one unit of each parameter.

use trickbag_models::{Network, ParameterSpec};
use trickbag_optim::Units;
use trickbag_param_groups::Kind;

/// The units of a network's parameters. The linear layer, which is the last, is left out, as in the
/// paper (Brock et al., arXiv 2102.06171, section 4.1).
pub(crate) fn units(network: &Network) -> Vec<Units> {
    let linear = |spec: &&ParameterSpec| spec.parameter.kind == Kind::LinearWeight;
    let layers: Vec<&str> = network.parameters().iter().filter(linear).map(layer).collect();
    let of = |spec: &ParameterSpec| match spec.parameter.kind {
        _ if layers.contains(&layer(spec)) => Units::Unclipped,
        Kind::ConvWeight => Units::Outputs(spec.shape.last().copied().unwrap_or(1)),
        _ => Units::Whole,
    };
    network.parameters().iter().map(of).collect()
}

/// The name of the layer that a parameter belongs to.
fn layer(spec: &ParameterSpec) -> &str {
    spec.name().rsplit_once('.').map_or("", |(layer, _)| layer)
}

#[cfg(test)]
mod tests {
    use trickbag_models::Architecture;

    use super::*;

    #[test]
    fn every_kind_of_parameter_has_its_units() {
        let architecture: Architecture =
            serde_json::from_str(r#"{"ResNet":{"depth":8,"stem":"Cifar","width":4}}"#).unwrap();
        let network = Network::new(&architecture, 1, 3).unwrap();
        let names = network.parameters().iter().map(ParameterSpec::name);
        let found: Vec<_> = names.zip(units(&network)).collect();
        for (name, expected) in [
            ("conv1.weight", Units::Outputs(4)),
            ("bn1.bias", Units::Whole),
            ("layer3.0.conv2.weight", Units::Outputs(16)),
            ("fc.weight", Units::Unclipped),
            ("fc.bias", Units::Unclipped),
        ] {
            assert!(found.contains(&(name, expected)), "{name}: {found:?}");
        }
    }
}
