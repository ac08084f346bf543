// Reads KPL containers with AWS's deaggregator for Node.
//
// It takes a document of containers on standard input, such as those of
// aggregate/testdata, and writes what it read in the same form. The headers come
// from the library's own schema of a container: its deaggregator does not show
// them.
'use strict';

const fs = require('fs');
const { deaggregateSync } = require('aws-kinesis-agg');
const { loadBuilder } = require('aws-kinesis-agg/lib/common');
const { version } = require('aws-kinesis-agg/package.json');

const message = loadBuilder();

// read deaggregates as a Lambda function would, with the checksum verified.
function read(container) {
  const data = Buffer.from(container.bytes, 'hex');
  const record = {
    partitionKey: container.partition_key || 'a',
    sequenceNumber: container.sequence_number || '1',
    data: data.toString('base64'),
  };
  let records;
  deaggregateSync(record, true, (err, userRecords) => {
    if (err) throw err;
    records = userRecords;
  });
  const tags = message.decode(data.subarray(4, -16)).records.map((r) => r.tags);
  return records.map((r, i) => ({
    partition_key: r.partitionKey,
    explicit_hash_key: r.explicitPartitionKey || '',
    data: r.data,
    headers: tags[i].map((tag) => ({ name: tag.key, value: tag.value })),
    sequence_number: r.sequenceNumber,
    sub_sequence_number: r.subSequenceNumber,
  }));
}

const containers = JSON.parse(fs.readFileSync(0)).containers.map((c) => ({ name: c.name, records: read(c) }));
console.log(JSON.stringify({ made_by: `aws-kinesis-agg ${version} (npm), Node ${process.versions.node}`, containers }));
