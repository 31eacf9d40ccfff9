//! What DynamoDB charges for this store's calls, for Prometheus.

use std::{fmt, sync::Arc};

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeMetric},
    metrics::counter::ConstCounter,
};

use super::DynamoStore;
use crate::counts::Counted;

struct Spent(Arc<DynamoStore>);

impl fmt::Debug for Spent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Spent").field(&self.0.consumed()).finish()
    }
}

impl Collector for Spent {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let spent = self.0.consumed();
        let all = [
            (
                "sandbox_dynamodb_read_units",
                "Read units of jobs in DynamoDB; memory's own are not in it",
                spent.read,
            ),
            (
                "sandbox_dynamodb_write_units",
                "Write units of jobs in DynamoDB; memory's own are not in it",
                spent.written,
            ),
        ];
        for (name, about, units) in all {
            let counter = ConstCounter::new(units);
            let kind = counter.metric_type();
            counter.encode(encoder.encode_descriptor(name, about, None, kind)?)?;
        }
        Ok(())
    }
}

impl DynamoStore {
    /// Puts what its calls cost where it is read.
    #[must_use]
    pub fn counted(self: &Arc<Self>) -> Counted {
        let this = Arc::clone(self);
        Arc::new(move |registry| {
            registry.register_collector(Box::new(Spent(Arc::clone(&this))));
        })
    }
}
