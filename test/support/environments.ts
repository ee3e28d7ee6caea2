/** Compute environments of the shared stack. The first is the one that tests use unless they say otherwise. */

import { HDNodeWallet, getCreateAddress } from 'ethers';
import { localEnvironment, type EnvironmentSettings } from '../../infra/toolchain/serviceEnvironment.ts';

const mebibyte = 1024 ** 2;

/** Limits that tests break on purpose, with room for many jobs at once. */
export const tinyLimits = { inputBytes: 4 * mebibyte, outputBytes: 2 * mebibyte, outputFiles: 2_000, logBytes: 256 * 1024 } as const;

/**
 * What jobs of tests get: on an engine they share the processors, on a cluster what is granted is theirs alone, and the
 * node of a test's cluster has two or four.
 */
const cpu = process.env.C2D_TEST_RUNTIME === 'kubernetes' ? { min: 0.1, max: 0.2, total: 64 } : { min: 0.1, max: 1, total: 64 };

const smallPods = {
  cpu,
  ram: { min: 0.0625, max: 0.25, total: 16 },
  disk: { min: 0.0625, max: 0.0625, total: 10 },
};

/** Small limits; many places. */
const tiny: EnvironmentSettings = {
  id: 'tiny',
  resources: smallPods,
  free: { maxJobs: 32, maxJobDuration: 120 },
  limits: { ...tinyLimits, graceSeconds: 5 },
};

/** Lets two small tables out, and nothing else. */
const guarded: EnvironmentSettings = {
  ...tiny,
  id: 'guarded',
  outputPolicy: { maxFiles: 2, maxBytes: 1_000, fileTypes: ['csv'], redactLog: ['[\\w.]+@[\\w.]+'] },
};

/** Waits for nothing long: not for a silent source, and not for an algorithm. */
const brief: EnvironmentSettings = {
  id: 'brief',
  resources: smallPods,
  free: { maxJobs: 32, maxJobDuration: 6 },
  limits: { transferPatienceSeconds: 2, stageSeconds: 20, graceSeconds: 2 },
};

/** One free job at a time. */
const single: EnvironmentSettings = { id: 'single', resources: smallPods, free: { maxJobs: 1, maxJobDuration: 120 } };

/** The same, for the one test file that looks at who is how far in the queue. */
const line: EnvironmentSettings = { ...single, id: 'line' };

const deployer = HDNodeWallet.fromPhrase('test test test test test test test test test test test junk').address;

/** Costs a whole token a minute, at least. Contracts of a local chain are where their deployer's first transactions put them. */
const paid: EnvironmentSettings = {
  id: 'paid',
  resources: smallPods,
  free: { maxJobs: 4, maxJobDuration: 120 },
  fees: [{ chainId: 8996, feeToken: getCreateAddress({ from: deployer, nonce: 1 }), prices: [{ id: 'ram', price: 16 }] }],
};

/** Limits of a developer's machine. */
const local: EnvironmentSettings = {
  ...localEnvironment,
  resources: { cpu, ram: { min: 0.0625, max: 1, total: 16 }, disk: { min: 0.0625, max: 1, total: 10 } },
};

/** Does what the file `ask` among the outputs says, and never lets that file out. */
const obedientFilter = `
const fs = require('node:fs');
const ask = fs.readFileSync('/data/outputs/ask', 'utf8');
fs.rmSync('/data/outputs/ask');
console.log('the filter saw ' + fs.readdirSync('/data/outputs').join() + ' beside ' + fs.readdirSync('/data/inputs').join());
if (ask === 'remove') fs.rmSync('/data/outputs/b');
if (ask === 'refuse') process.exit(3);
if (ask === 'refuse slowly') setTimeout(() => process.exit(4), 2_000);
if (ask === 'hang') setInterval(() => undefined, 1_000);`;

/** Environments whose jobs go through a filter; its image is one with `node`. */
export const filteringEnvironments = (image: string): readonly EnvironmentSettings[] => {
  const filter = { image, command: ['node', '-e', obedientFilter], seconds: 4, cpu: cpu.max, ram: 0.125 };
  return [
    { ...tiny, id: 'filtered', filter, ownerFilters: { seconds: 10, cpu: cpu.max, ram: 0.125 } },
    { ...tiny, id: 'unfilterable', filter: { ...filter, image: 'localhost/c2d-nowhere:1' } },
  ];
};

/** What the shared stack offers, beside those. */
export const sharedEnvironments: readonly EnvironmentSettings[] = [local, tiny, guarded, brief, single, line, paid];
