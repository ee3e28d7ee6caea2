/** The parts of a start, each done alone: what a POST would take if nothing were added to them. */

import { randomBytes } from 'node:crypto';
import { Wallet } from 'ethers';
import { NativeConnection } from '@temporalio/worker';
import pg from 'pg';
import type { ComputeEnvironment } from '../../infra/environments/environments.ts';
import { connectLedger, migrateLedger } from '../../infra/ledger/connect.ts';
import { createLedger } from '../../infra/ledger/ledger.ts';
import type { Ocean } from '../../infra/ocean/ocean.ts';
import { verifyMessage } from '../../infra/ocean/signatures.ts';
import { connectTemporal, temporalKeys } from '../../infra/temporal/connect.ts';
import { createCleanups, type Cleanups } from '../../infra/toolchain/cleanups.ts';
import type { Stack } from '../../infra/toolchain/stack.ts';
import type { JobSpec } from '../../workflows/contract/spec.ts';
import { z } from 'zod';
import { sign } from '../api/support/consumer.ts';
import { aSpec, anAdmission } from '../support/builders.ts';
import { aKeyring } from '../support/databases.ts';
import { silenceWorkers, startBare, startBareWorker } from './bareWorker.ts';
import { summarize, type Summary } from './figures.ts';

/** Milliseconds of each part. */
export type StartParts = Readonly<Record<'signature' | 'chain' | 'temporal' | 'ledger', Summary>>;

/** An order as the orchestrator checks it. */
export interface OrderToCheck {
  readonly ocean: Pick<Ocean, 'admit'>;
  readonly spec: JobSpec;
  readonly environment: ComputeEnvironment;
}

const times = 50;
const warmUps = 10;

const timeEach = async (work: () => Promise<unknown>): Promise<Summary> => {
  const took: number[] = [];
  for (let round = -warmUps; round < times; round += 1) {
    const startedAt = performance.now();
    await work();
    if (round >= 0) took.push(performance.now() - startedAt);
  }
  return summarize(took);
};

const timeSignature = async (): Promise<Summary> => {
  const wallet = new Wallet(`0x${randomBytes(32).toString('hex')}`);
  const signed = Array.from({ length: times + warmUps }, (_, nonce) => ({
    address: wallet.address,
    message: `${wallet.address}${nonce}startCompute`,
    signature: sign(wallet, nonce, 'startCompute'),
  }));
  return timeEach(async () => {
    const next = signed.pop();
    if (next === undefined || !(await verifyMessage(next, null))) throw new Error('a good signature was refused');
  });
};

/** A database of its own on the same server: nothing of it is the service's. */
const createDatabase = async (databaseUrl: string, cleanups: Cleanups): Promise<string> => {
  const name = `bench_${randomBytes(6).toString('hex')}`;
  const onServer = async (statement: string): Promise<void> => {
    const client = new pg.Client({ connectionString: databaseUrl });
    await client.connect();
    await client.query(statement).finally(() => client.end());
  };
  await onServer(`create database ${name}`);
  cleanups.add(() => onServer(`drop database ${name} with (force)`));
  const url = new URL(databaseUrl);
  url.pathname = `/${name}`;
  return url.href;
};

/** What API and orchestrator ask of the ledger for one start. */
const timeLedger = async ({ databaseUrl }: Stack, cleanups: Cleanups): Promise<Summary> => {
  const database = cleanups.own(connectLedger(await createDatabase(databaseUrl, cleanups), () => undefined));
  await migrateLedger(database);
  const ledger = createLedger(database, aKeyring());
  return timeEach(async () => {
    const spec = aSpec();
    await ledger.readJob(spec.jobId);
    await ledger.reserveJob({ spec, nonce: '1' });
    await ledger.readOrder(spec.jobId);
    await ledger.acceptJob(spec.jobId, anAdmission(spec));
    await ledger.readJob(spec.jobId);
  });
};

/** A workflow that is started, does one activity that does nothing, and answers. */
const timeTemporal = async ({ temporalAddress: address }: Stack, cleanups: Cleanups): Promise<Summary> => {
  silenceWorkers();
  const keyring = aKeyring();
  const native = cleanups.own(await NativeConnection.connect({ address }));
  await startBareWorker({ connection: native, namespace: 'default', keyring }, cleanups);
  const { client } = cleanups.own(connectTemporal(z.object(temporalKeys).parse({ C2D_TEMPORAL_ADDRESS: address }), keyring));
  return timeEach(() => startBare(client, 'bareStart'));
};

/** Measures them, one at a time, on the parts of a running stack. */
export const measureStartParts = async (stack: Stack, { ocean, spec, environment }: OrderToCheck): Promise<StartParts> => {
  const cleanups = createCleanups();
  try {
    return {
      signature: await timeSignature(),
      chain: await timeEach(() => ocean.admit(spec, environment)),
      temporal: await timeTemporal(stack, cleanups),
      ledger: await timeLedger(stack, cleanups),
    };
  } finally {
    await cleanups.run();
  }
};
