// Calls Kinesis with the AWS SDK for JavaScript v3: a call on each line of
// standard input, an answer on each line of standard output. The form of both
// is described in ../dialogue.go.
//
//   node sdk.js          with the client's own HTTP handler, which is HTTP/2
//   node sdk.js http1    with the handler for HTTP/1.1
'use strict';

const readline = require('readline');
const kinesis = require('@aws-sdk/client-kinesis');
const { NodeHttpHandler } = require('@smithy/node-http-handler');
const { version } = require('@aws-sdk/client-kinesis/package.json');

const http1 = process.argv[2] === 'http1';
const clients = new Map();

function client(endpoint) {
  if (!clients.has(endpoint)) {
    const options = { endpoint, maxAttempts: 1 };
    if (http1) options.requestHandler = new NodeHttpHandler();
    clients.set(endpoint, new kinesis.KinesisClient(options));
  }
  return clients.get(endpoint);
}

// typed is the input: the members called Data are base64, those called
// Timestamp are times.
function typed(value) {
  if (Array.isArray(value)) return value.map(typed);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).map(([name, v]) => {
    if (name === 'Data') return [name, Buffer.from(v, 'base64')];
    if (name === 'Timestamp') return [name, new Date(v)];
    return [name, typed(v)];
  }));
}

// plain is the output as JSON can write it.
function plain(value) {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date) return value.toISOString();
  if (Array.isArray(value)) return value.map(plain);
  if (value === null || typeof value !== 'object') return value;
  return Object.fromEntries(Object.entries(value).filter(([name]) => name !== '$metadata').map(([name, v]) => [name, plain(v)]));
}

// events are those of a subscription until they held so many records, or to its
// end.
async function events(stream, records) {
  const seen = [];
  for await (const { SubscribeToShardEvent: event } of stream) {
    seen.push(event);
    records -= event.Records.length;
    if (records === 0) break;
  }
  return { Events: seen };
}

async function answer({ endpoint, operation, input, records }) {
  try {
    let output = await client(endpoint).send(new kinesis[`${operation}Command`](typed(input)));
    if (output.EventStream) {
      console.log('{"subscribed":true}');
      output = await events(output.EventStream, records || 0);
    }
    return { output: plain(output) };
  } catch (e) {
    if (!e.$fault) throw e;
    return { error: { name: e.name, message: e.message, status: e.$metadata?.httpStatusCode || 0 } };
  }
}

async function main() {
  console.log(JSON.stringify({
    version: `@aws-sdk/client-kinesis ${version}, Node ${process.versions.node}`,
    operations: Object.keys(kinesis).filter((name) => /^[A-Z]\w+Command$/.test(name)).map((name) => name.replace(/Command$/, '')),
  }));
  for await (const line of readline.createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))));
  }
  clients.forEach((c) => c.destroy());
}

main().catch((e) => {
  console.error(e);
  process.exit(1);
});
