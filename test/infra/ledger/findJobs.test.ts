import { anAddress, anAdmission, aSpec, aTransaction } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';
import type { JobFilter } from '../../../infra/ledger/ledger.ts';

let test_: TestLedger;
beforeAll(async () => {
  test_ = await openTestLedger();
});
afterAll(() => test_.close());

const page = { limit: 10, offset: 0 };

describe('findJobs by job id', () => {
  const spec = aSpec();
  const { jobId, consumerAddress: owner } = spec;
  const agreementId = aTransaction();
  beforeAll(async () => {
    await test_.ledger.reserveJob({ spec, nonce: null });
    await test_.ledger.acceptJob(jobId, anAdmission(spec, { agreementId }));
  });

  test.each<[string, JobFilter, boolean]>([
    ['its id alone finds it', { jobId }, true],
    ["so does its owner's address in any case", { jobId, owner: `0x${owner.slice(2).toUpperCase()}` }, true],
    ['and its agreement in any case', { jobId, agreementId: `0x${agreementId.slice(2).toUpperCase()}` }, true],
    ['all three together', { jobId, owner, agreementId }, true],
    ["not with an address that is not its owner's", { jobId, owner: anAddress() }, false],
    ['not with another agreement', { jobId, agreementId: aTransaction() }, false],
    ['not under an id in capitals, which no job has', { jobId: jobId.toUpperCase().replace(/^\d+$/, 'A') }, false],
    ['not under what no id can be', { jobId: 'a\u0000b' }, false],
  ])('%s', async (_name, filter, isFound) => {
    const found = await test_.ledger.findJobs(filter, page);
    expect(found.map((row) => row.jobId)).toEqual(isFound ? [jobId] : []);
  });

  test('a job that is not accepted is not found, one beyond the page neither', async () => {
    const pending = aSpec();
    await test_.ledger.reserveJob({ spec: pending, nonce: null });
    expect(await test_.ledger.findJobs({ jobId: pending.jobId }, page)).toEqual([]);
    expect(await test_.ledger.findJobs({ jobId }, { limit: 10, offset: 1 })).toEqual([]);
  });

  test('many reads at once find each its own', async () => {
    const specs = Array.from({ length: 300 }, () => aSpec());
    for (const each of specs) await test_.ledger.reserveJob({ spec: each, nonce: null });
    const rows = await Promise.all(specs.map((each) => test_.ledger.readJob(each.jobId)));
    expect(rows.map((row) => row?.owner)).toEqual(specs.map(({ consumerAddress }) => consumerAddress));
    expect(await Promise.all([aSpec(), aSpec()].map((each) => test_.ledger.readJob(each.jobId)))).toEqual([null, null]);
  });
});
