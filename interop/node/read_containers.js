// Reads KPL containers with AWS's deaggregator for Node.
//
//   npm install --no-save aws-kinesis-agg
//   node read_containers.js < ../../aggregate/testdata/kinetrail.json
//
// It prints a line for each container and compares every record with the one
// that was put in. The exit code is 1 when a key, a payload or a sub-sequence
// number differs. An explicit hash key that differs is printed and forgiven:
// once a container has any, aws-kinesis-agg gives the first one to every record
// that has none of its own.
'use strict';

const fs = require('fs');
const { deaggregateSync } = require('aws-kinesis-agg');

// read deaggregates as a Lambda function would, with the checksum verified.
function read(container) {
  const record = { partitionKey: 'a', sequenceNumber: '1', data: Buffer.from(container, 'hex').toString('base64') };
  let result;
  deaggregateSync(record, true, (err, userRecords) => {
    if (err) throw err;
    result = userRecords;
  });
  return result;
}

// differences lists what is not as put in.
function differences(got, want) {
  if (got.length !== want.length) {
    return [{ text: `${got.length} records, want ${want.length}` }];
  }
  const found = [];
  got.forEach((record, sub) => {
    const seen = JSON.stringify([record.partitionKey, record.data, record.subSequenceNumber]);
    const wanted = JSON.stringify([want[sub].partition_key, want[sub].data, sub]);
    if (seen !== wanted) found.push({ text: `record ${sub}: ${seen}, want ${wanted}` });
    if (record.explicitPartitionKey !== want[sub].explicit_hash_key) {
      found.push({ forgiven: true, text: `record ${sub}: explicit hash key ${record.explicitPartitionKey}, want ${want[sub].explicit_hash_key}` });
    }
  });
  return found;
}

let failed = false;
for (const container of JSON.parse(fs.readFileSync(0)).containers) {
  const found = differences(read(container.bytes), container.records);
  const wrong = found.some((difference) => !difference.forgiven);
  console.log(`${container.name}: ${wrong ? 'DIFFERENT' : 'read'}`);
  found.forEach((difference) => console.log(`    ${difference.text}`));
  failed = failed || wrong;
}
process.exitCode = failed ? 1 : 0;
