import { aSpec, anAdmission } from '../../support/builders.ts';
import { openTestLedger } from '../../support/databases.ts';
import type { ResultEntry } from '../../../infra/ledger/ledger.ts';
import type { OutputTarget } from '../../../workflows/contract/output.ts';

let open: Awaited<ReturnType<typeof openTestLedger>>;
beforeAll(async () => void (open = await openTestLedger()));
afterAll(() => open.close());

const target: OutputTarget = {
  ...{ endpoint: 'https://s3.example', region: 'r', bucket: 'b', objectKey: 'k/', pathStyle: true, aesKey: 'ab'.repeat(32) },
  ...{ accessKeyId: 'hunter2', secretAccessKey: 'hunter2' },
};
const results: readonly ResultEntry[] = [
  { index: 0, filename: 'a', filesize: 1, type: 'output', n: 0, sha256: 'a'.repeat(64) },
  { index: 1, filename: 'algorithm.log', filesize: 2, type: 'algorithmLog', n: 1, sha256: 'b'.repeat(64) },
];
const end = { status: 70, reason: 'done', exitCode: 0, oomKilled: false };

const published = async (): Promise<string> => {
  const { ledger } = open;
  const spec = aSpec({ output: target, deliversOutputs: true });
  await ledger.reserveJob({ spec, nonce: String(Date.now()) });
  await ledger.acceptJob(spec.jobId, anAdmission(spec));
  await ledger.beginPodAttempt({ jobId: spec.jobId, podAttempt: 1, hasPlace: false });
  await ledger.recordResults({ jobId: spec.jobId, podAttempt: 1, results });
  return spec.jobId;
};
const ended = (jobId: string) => open.ledger.recordJob({ jobId, podAttempt: 1, ...end, end });

describe('outputs that go elsewhere', () => {
  test('have a target that is read by itself only, and is forgotten when the job ends', async () => {
    const { ledger } = open;
    const jobId = await published();
    expect(JSON.stringify(await ledger.readSpec(jobId))).not.toMatch(/hunter2|s3\.example/);
    expect(await ledger.readOutputTarget(jobId)).toEqual(target);
    expect(await ledger.readDeliveryOrder(jobId)).toMatchObject({ target, results, podAttempt: 1, delivery: { state: 'asked' } });
    await ended(jobId);
    expect([await ledger.readOutputTarget(jobId), await ledger.readDeliveryOrder(jobId)]).toEqual([null, null]);
    expect(JSON.stringify(await ledger.readJob(jobId))).not.toMatch(/hunter2|s3\.example/);
  });

  test('are not listed before it is known where they are, and then never; the log stays', async () => {
    const { ledger } = open;
    const jobId = await published();
    expect((await ledger.readJob(jobId))?.results).toEqual([]);
    await ledger.recordDelivery(jobId, { sizeBytes: 10, sha256: 'c'.repeat(64) });
    const row = await ledger.readJob(jobId);
    expect(row?.results).toEqual([{ ...results[1], index: 0 }]);
    const delivery = {
      state: 'delivered',
      bucket: 'b',
      key: `k/outputs-${jobId}.tar`,
      isEncrypted: true,
      sizeBytes: 10,
      sha256: 'c'.repeat(64),
    };
    expect(row?.delivery).toEqual(delivery);
    await ended(jobId);
    expect(await ledger.readJob(jobId)).toMatchObject({ delivery, results: [{ index: 0, type: 'algorithmLog' }] });
    expect((await ledger.readManifestFacts(jobId))?.row.results).toEqual(results);
  });

  test('are listed here when the job ends without their arrival, whoever ends it', async () => {
    const jobId = await published();
    await ended(jobId);
    expect(await open.ledger.readJob(jobId)).toMatchObject({ delivery: { state: 'failed' }, results });
    await open.ledger.recordDelivery(jobId, { sizeBytes: 10, sha256: 'c'.repeat(64) });
    expect((await open.ledger.readJob(jobId))?.delivery?.state).toBe('failed');
  });

  test('have no target any more when the start is refused', async () => {
    const spec = aSpec({ output: target, deliversOutputs: true });
    await open.ledger.reserveJob({ spec, nonce: String(Date.now()) });
    await open.ledger.refuseJob(spec.jobId, { type: 'OutputTargetRefused', reason: 'no' });
    expect(await open.ledger.readOutputTarget(spec.jobId)).toBeNull();
  });
});
