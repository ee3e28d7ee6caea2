/** A ledger full of jobs that have ended: one is written as the service writes it, all others are copies of its row. */

import { Wallet } from 'ethers';
import { sql } from 'kysely';
import { createTokens } from '../../api/tokens.ts';
import { createJwts } from '../../infra/crypto/jwt.ts';
import type { Keyring } from '../../infra/crypto/keyring.ts';
import type { LedgerConnection } from '../../infra/ledger/connect.ts';
import { createLedger } from '../../infra/ledger/ledger.ts';
import { status } from '../../workflows/contract/status.ts';
import { aDid, aSpec, anAdmission, aTransaction } from '../support/builders.ts';

/** What filling takes. */
export interface StoredJobsDeps {
  readonly database: LedgerConnection;
  readonly keyring: Keyring;
}

/** A job, and a token of its owner. */
export interface StoredJob {
  readonly jobId: string;
  readonly token: string;
}

/** A ledger that is full. */
export interface StoredJobs {
  /** some of them, chosen at random */
  sample(count: number): Promise<readonly StoredJob[]>;
}

const owners = 100;
/** No statement may take longer than the ledger's connections allow. */
const batch = 5_000;
const tokenSeconds = 86_400;
const documentCharacters = 4_000;

/** A document as large as real ones; texts that no compression makes nothing of. */
const aDocument = (id: string) => ({
  id,
  version: '4.1.0',
  metadata: { description: Array.from({ length: documentCharacters / 66 }, aTransaction).join('') },
});

/** One paid job from its start to its end, with two results. */
const writeOne = async ({ database, keyring }: StoredJobsDeps): Promise<string> => {
  const ledger = createLedger(database, keyring);
  const spec = aSpec({ environmentId: 'local', metadata: { name: 'one of many' } });
  const { jobId } = spec;
  const pod = { jobId, podAttempt: 1 };
  await ledger.reserveJob({ spec, nonce: null });
  const admission = anAdmission(spec);
  const documented = { ...admission, datasets: admission.datasets.map((asset) => ({ ...asset, ddo: aDocument(asset.did ?? aDid()) })) };
  await ledger.acceptJob(jobId, documented);
  await ledger.beginPodAttempt({ ...pod, hasPlace: true });
  await ledger.recordProgress({ ...pod, status: status.running, reason: 'the algorithm runs', algorithmStartedAtMs: Date.now() });
  const result = (index: number, filename: string, type: 'output' | 'algorithmLog') =>
    ({ index, filename, type, filesize: 10_000, n: index, sha256: aTransaction().slice(2) }) as const;
  await ledger.recordResults({ ...pod, results: [result(0, 'model.json', 'output'), result(1, 'algorithm.log', 'algorithmLog')] });
  const end = { status: status.finished, reason: 'the algorithm ended with exit code 0', exitCode: 0, oomKilled: false };
  await ledger.recordJob({
    ...pod,
    status: end.status,
    reason: end.reason,
    end,
    algorithm: { startedAtMs: null, finishedAtMs: Date.now() },
  });
  return jobId;
};

/** Copies a row, each copy with an id, an owner, an agreement and a time of its own. */
const copy = async (
  { database: { db } }: StoredJobsDeps,
  jobId: string,
  { first, last, addresses }: { readonly first: number; readonly last: number; readonly addresses: readonly string[] },
): Promise<void> => {
  await sql`
    insert into jobs
    select copied.* from jobs template, generate_series(${first}::integer, ${last}::integer) number,
      lateral (select (${addresses}::text[])[1 + number % ${addresses.length}::integer] as address) owner,
      lateral jsonb_populate_record(template, jsonb_build_object(
        'job_id', md5(number::text),
        'owner', lower(address),
        'owner_text', address,
        'agreement_id', '0x' || md5('agreement' || number) || md5('order' || number),
        'created_at', template.created_at - number * interval '1 minute',
        'finished_at', template.finished_at - number * interval '1 minute')) copied
    where template.job_id = ${jobId}`.execute(db);
};

/** Fills an empty ledger. */
export const storeJobs = async (deps: StoredJobsDeps, count: number): Promise<StoredJobs> => {
  const addresses = Array.from({ length: owners }, () => Wallet.createRandom().address);
  const template = await writeOne(deps);
  for (let first = 1; first < count; first += batch)
    await copy(deps, template, { first, last: Math.min(first + batch, count) - 1, addresses });
  await sql`vacuum analyze jobs`.execute(deps.database.db);
  const tokens = createTokens({
    jwts: createJwts(deps.keyring),
    ledger: createLedger(deps.database, deps.keyring),
    longestSeconds: tokenSeconds,
  });
  const tokenOf = new Map(addresses.map((address) => [address, tokens.issue({ address, nonce: '1', validUntilMs: null })]));
  return {
    async sample(wanted) {
      const { rows } = await sql<{ job_id: string; owner_text: string }>`
        select job_id, owner_text from jobs where owner_text = any(${addresses}::text[]) order by random() limit ${wanted}`.execute(
        deps.database.db,
      );
      return rows.map((row) => ({ jobId: row.job_id, token: tokenOf.get(row.owner_text) ?? '' }));
    },
  };
};
