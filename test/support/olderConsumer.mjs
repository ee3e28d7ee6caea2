/**
 * A person with a wallet and the unmodified client library `@oceanprotocol/lib` of the generation that signs the older
 * messages. Plays one story from start to end and prints what it saw as one line of JSON.
 */

import { Buffer } from 'node:buffer';
import { createRequire } from 'node:module';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

// stdout carries the answer only; whatever the library prints goes to stderr
for (const method of ['log', 'info', 'debug', 'warn']) console[method] = console.error;

const { CONSUMER_CLIENTS: clients, CONSUMER_RPC: rpcUrl, CONSUMER_API: apiUrl, CONSUMER_KEY: privateKey } = process.env;
const { container, feeToken } = JSON.parse(process.env.CONSUMER_STORY);
const load = createRequire(path.join(clients, 'package.json'));
const { ProviderInstance: client } = load('@oceanprotocol/lib');
const { ethers } = load('ethers');

const chainId = 8996;
const provider = new ethers.providers.StaticJsonRpcProvider(rpcUrl, { chainId, name: 'development' });
const signer = new ethers.Wallet(privateKey, provider);

const waiting = `console.log('waiting'); process.on('SIGTERM', () => { require('node:fs').writeFileSync('/data/outputs/last', 'words'); process.exit(0); }); setInterval(() => {}, 1000);`;
const raw = (rawcode) => ({ meta: { rawcode, container } });

const jobIds = [];
const remember = ([job]) => {
  jobIds.push(job.jobId);
  return job.jobId;
};
const look = async (jobId) => (await client.computeStatus(apiUrl, signer.address, jobId))[0];
const awaitJob = async (jobId, isWanted) => {
  for (const deadline = Date.now() + 60_000; ; await delay(100)) {
    const job = await look(jobId);
    if (isWanted(job)) return job;
    if (Date.now() > deadline) throw new Error(`job ${jobId} is still ${job.statusText}`);
  }
};
const awaitEnd = (jobId) => awaitJob(jobId, ({ dateFinished }) => dateFinished !== null);

const readFirstLine = async (jobId) => {
  let text = '';
  for await (const piece of await client.computeStreamableLogs(apiUrl, signer, jobId)) {
    text += Buffer.from(piece).toString();
    if (text.includes('\n')) return text.split('\n')[0];
  }
  return text;
};

const runFree = async (environment) => {
  const jobId = remember(await client.freeComputeStart(apiUrl, signer, environment, [], raw(waiting)));
  await awaitJob(jobId, ({ status }) => status === 40);
  const line = await readFirstLine(jobId);
  await client.computeStop(jobId, apiUrl, signer);
  const { status, results } = await awaitEnd(jobId);
  const { index } = results.find(({ filename }) => filename === 'last');
  const response = await globalThis.fetch(await client.getComputeResultUrl(apiUrl, signer, jobId, index));
  return { status, line, result: await response.text() };
};

const runPaid = async (environment) => {
  const started = await client.computeStart(apiUrl, signer, environment, [], raw('console.log(1)'), 60, feeToken, [], chainId);
  return (await awaitEnd(remember(started))).status;
};

const runWithToken = async (environment) => {
  const token = await client.generateAuthToken(signer, apiUrl);
  const jobId = remember(await client.freeComputeStart(apiUrl, token, environment, [], raw(waiting)));
  await client.computeStop(jobId, apiUrl, token);
  const { status } = await awaitEnd(jobId);
  const { success } = await client.invalidateAuthToken(signer, token, apiUrl);
  const afterwards = await client.freeComputeStart(apiUrl, token, environment, [], raw('1')).then(
    (jobs) => (Array.isArray(jobs) ? remember(jobs) : jobs),
    (err) => err.message,
  );
  return { status, success, afterwards };
};

const [{ id: environment }] = await client.getComputeEnvironments(apiUrl);
const encrypted = await client.encrypt({ files: [] }, chainId, apiUrl);
const free = await runFree(environment);
const paid = await runPaid(environment);
const token = await runWithToken(environment);
process.stdout.write(`${JSON.stringify({ encrypted, free, paid, token, jobIds })}\n`);
process.exit(0);
