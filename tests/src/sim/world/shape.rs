//! What a world is like, and the worlds there are.

/// What a world is like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Its word.
    pub name: &'static str,
    /// Jobs that are run when no number is named.
    pub jobs: u64,
    /// Rules in all.
    pub rules: u64,
    /// Domains.
    pub domains: u64,
    /// The usual success of the hardest and of the easiest domain.
    pub success: (f64, f64),
    /// How often a failure is read as success, and a success as failure.
    pub misread: (f64, f64),
    /// Whether effects change half-way.
    pub drift: bool,
    /// Whether there are rules that were stated to do harm.
    pub adversary: bool,
    /// What is different in this world.
    pub twist: Twist,
}

/// What may be different in a world.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Twist {
    /// Nothing.
    Plain,
    /// Outcomes are known so many jobs later.
    Delayed(u64),
    /// This share of outcomes is never known.
    Missing(f64),
    /// This share of the rules in prompts is not followed.
    Ignored(f64),
    /// Every second good rule has a twin, and both together work once.
    Twins,
    /// Good rules with neighbouring numbers spoil each other.
    Pairs,
    /// This share of jobs is an adversary's, who reports success where a rule of his stood in the prompt and
    /// failure elsewhere.
    Colluding(f64),
    /// So many tenants with the same texts as their rules, each with domains of its own and effects that may be
    /// its own; one in four rules does something else at each.
    Tenants(u64),
    /// One rule that does nothing, stated at the beginning.
    Placebo,
}

const MIXED: Shape = Shape {
    name: "mixed",
    jobs: 10_000,
    rules: 200,
    domains: 10,
    success: (0.35, 0.90),
    misread: (0.15, 0.05),
    drift: true,
    adversary: true,
    twist: Twist::Plain,
};

/// The worlds there are.
pub const SHAPES: &[Shape] = &[
    MIXED,
    Shape {
        name: "easy",
        success: (0.75, 0.95),
        ..MIXED
    },
    Shape {
        name: "hard",
        success: (0.20, 0.55),
        ..MIXED
    },
    Shape {
        name: "small",
        jobs: 1_500,
        rules: 60,
        domains: 4,
        ..MIXED
    },
    Shape {
        name: "tiny",
        jobs: 500,
        rules: 40,
        domains: 3,
        ..MIXED
    },
    Shape {
        name: "noisy",
        misread: (0.40, 0.05),
        ..MIXED
    },
    Shape {
        name: "no-drift",
        drift: false,
        adversary: false,
        ..MIXED
    },
    Shape {
        name: "delayed",
        twist: Twist::Delayed(200),
        ..MIXED
    },
    Shape {
        name: "missing",
        twist: Twist::Missing(0.3),
        ..MIXED
    },
    Shape {
        name: "ignored",
        twist: Twist::Ignored(0.3),
        ..MIXED
    },
    Shape {
        name: "twins",
        twist: Twist::Twins,
        ..MIXED
    },
    Shape {
        name: "pairs",
        twist: Twist::Pairs,
        ..MIXED
    },
    Shape {
        name: "colluding",
        twist: Twist::Colluding(0.05),
        ..MIXED
    },
    Shape {
        name: "tenants",
        domains: 12,
        twist: Twist::Tenants(4),
        ..MIXED
    },
    Shape {
        name: "placebo",
        jobs: 200,
        rules: 1,
        domains: 1,
        success: (0.8, 0.8),
        drift: false,
        adversary: false,
        twist: Twist::Placebo,
        ..MIXED
    },
];

/// The worlds by the worst of which the judgement of rules is judged.
pub const REGIMES: [&str; 5] = ["mixed", "easy", "hard", "small", "noisy"];

impl Twist {
    /// How many jobs later an outcome is known.
    #[must_use]
    pub const fn delay(self) -> u64 {
        if let Self::Delayed(jobs) = self {
            jobs
        } else {
            0
        }
    }

    pub(super) const fn missing(self) -> f64 {
        if let Self::Missing(share) = self {
            share
        } else {
            0.0
        }
    }

    pub(super) const fn ignored(self) -> f64 {
        if let Self::Ignored(share) = self {
            share
        } else {
            0.0
        }
    }

    pub(super) const fn colluding(self) -> f64 {
        if let Self::Colluding(share) = self {
            share
        } else {
            0.0
        }
    }

    /// How many tenants there are.
    pub(super) const fn tenants(self) -> u64 {
        if let Self::Tenants(count) = self {
            count
        } else {
            1
        }
    }
}
