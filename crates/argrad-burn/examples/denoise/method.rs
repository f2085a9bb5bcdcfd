//! The methods that are compared, and what is known of each before it runs.

use clap::ValueEnum;

/// A method, in the order in which they run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Method {
    /// A fully connected network
    Connected,
    /// OptNet's layer, from random numbers
    Optnet,
    /// Total variation of the best weight
    Search,
    /// Total variation, its weight learned
    Weight,
    /// D learned, from random numbers
    RandomD,
    /// D learned, from total variation
    LearnedD,
    /// OptNet's layer, from total variation
    TunedOptnet,
    /// Total variation with weights that a network chooses
    Network,
}

impl Method {
    /// As the table and the plot call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connected => "fully connected network",
            Self::Optnet => "OptNet layer, from random",
            Self::Search => "total variation, best weight",
            Self::Weight => "total variation, learned weight",
            Self::RandomD => "learned D, from random",
            Self::LearnedD => "learned D, from total variation",
            Self::TunedOptnet => "OptNet layer, from total variation",
            Self::Network => "weights chosen by a network",
        }
    }

    /// Whether its estimates are drawn: those that differ enough to be told apart.
    pub fn is_shown(self) -> bool {
        matches!(self, Self::Connected | Self::Search | Self::Network)
    }

    /// Passes over the data and learning rate.
    pub fn training(self) -> (f64, f64) {
        match self {
            Self::Connected => (15.0, 3e-3),
            Self::Optnet => (1.0, 1e-3),
            Self::Search | Self::Weight => (1.0, 0.05),
            Self::RandomD => (4.0, 1e-2),
            Self::LearnedD => (3.0, 1e-3),
            Self::TunedOptnet => (2.0, 2e-4),
            Self::Network => (4.0, 1e-2),
        }
    }

    /// Section 4.3 of Amos and Kolter (2017): errors on the signals to train and to test on.
    pub fn published(self) -> Option<[f64; 2]> {
        match self {
            Self::Connected => Some([18.5, 29.8]),
            Self::Optnet => Some([52.9, 53.3]),
            Self::Search => Some([16.3, 16.5]),
            Self::TunedOptnet => Some([13.8, 14.4]),
            Self::Weight | Self::RandomD | Self::LearnedD | Self::Network => None,
        }
    }
}
