// Makes KPL containers with AWS's aggregator for Node.
//
// It takes the records of every container on standard input and writes the same
// document with the bytes that aws-kinesis-agg gives them. Containers with
// headers are left out: the aggregator cannot write tags.
//
// The aggregator keeps its tables as the properties of an object, which
// JavaScript sorts when they look like small integers: records with the keys
// "2" and "1" come out with each other's key. The containers here have no such
// keys.
'use strict';

const fs = require('fs');
const { RecordAggregator } = require('aws-kinesis-agg');

function make(records) {
  const aggregator = new RecordAggregator();
  for (const r of records) {
    aggregator.addUserRecord({
      partitionKey: r.partition_key,
      explicitHashKey: r.explicit_hash_key,
      data: Buffer.from(r.data, 'base64'),
    });
  }
  return aggregator.build().data.toString('hex');
}

const containers = JSON.parse(fs.readFileSync(0)).containers
  .filter((container) => !container.records.some((r) => r.headers))
  .map((container) => ({ ...container, bytes: make(container.records) }));
const { version } = require('aws-kinesis-agg/package.json');
console.log(JSON.stringify({
  made_by: `aws-kinesis-agg ${version} (npm), Node ${process.versions.node}`,
  containers,
}, null, 2));
