import { anAddress, anAdmission, aSpec } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

let test_: TestLedger;
beforeAll(async () => {
  test_ = await openTestLedger();
});
afterAll(() => test_.close());

describe('jobs under a key of the client', () => {
  test('of any number of requests at once one is new, equal ones are the same, others are told', async () => {
    const spec = aSpec();
    const digests = Array.from({ length: 20 }, (_none, n) => (n % 2 === 0 ? 'a' : 'b'));
    const kinds = await Promise.all(digests.map((requestDigest) => test_.ledger.reserveKeyedJob({ spec, requestDigest })));
    const winner = await test_.ledger.readRequestDigest(spec.jobId);
    expect(kinds.filter(({ kind }) => kind === 'new')).toHaveLength(1);
    kinds.forEach(({ kind }, n) => expect(kind === 'other').toBe(digests[n] !== winner));
  });

  test('spend no nonce', async () => {
    const spec = aSpec();
    await test_.ledger.reserveKeyedJob({ spec, requestDigest: 'a' });
    expect(await test_.ledger.nonceOf(spec.consumerAddress)).toBeNull();
    expect((await test_.ledger.readSpec(spec.jobId)).jobId).toBe(spec.jobId);
  });

  test('a job that is named after a nonce has no digest, so no key ever meets it', async () => {
    const spec = aSpec();
    await test_.ledger.reserveJob({ spec, nonce: '1' });
    expect(await test_.ledger.readRequestDigest(spec.jobId)).toBeNull();
    expect(await test_.ledger.reserveKeyedJob({ spec, requestDigest: 'a' })).toEqual({ kind: 'other' });
  });
});

describe('the list of jobs', () => {
  test('jobs of one instant are neither repeated nor skipped', async () => {
    const owner = anAddress();
    const specs = Array.from({ length: 9 }, () => aSpec({ consumerAddress: owner, isFree: true, datasets: [] }));
    for (const spec of specs) await test_.ledger.reserveKeyedJob({ spec, requestDigest: '' });
    await test_.connection.db
      .updateTable('jobs')
      .set({ created_at: new Date(0) })
      .where('owner', '=', owner)
      .execute();
    const seen: string[] = [];
    for (let page = await test_.ledger.listJobs({ owner }, 4); page.length > 0;) {
      seen.push(...page.map(({ jobId }) => jobId));
      page = await test_.ledger.listJobs({ owner, after: seen.at(-1)! }, 4);
    }
    expect(seen).toEqual(
      specs
        .map(({ jobId }) => jobId)
        .toSorted()
        .toReversed(),
    );
  });

  test('shows neither refused jobs, nor those of others, nor self-tests; states are those of accepted jobs', async () => {
    const owner = anAddress();
    const [refused, pending, accepted] = [
      aSpec({ consumerAddress: owner }),
      aSpec({ consumerAddress: owner }),
      aSpec({ consumerAddress: owner }),
    ];
    const selfTest = aSpec({ consumerAddress: owner, surface: 'selfTest' });
    for (const spec of [refused, pending, accepted]) await test_.ledger.reserveKeyedJob({ spec, requestDigest: '' });
    await test_.ledger.refuseJob(refused.jobId, { type: 'AccessDenied', reason: 'no' });
    await test_.ledger.acceptJob(accepted.jobId, anAdmission(accepted));
    await test_.ledger.insertSelfTest(selfTest, anAdmission(selfTest));
    const ids = async (filter: object) =>
      (await test_.ledger.listJobs({ owner: owner.toUpperCase().replace('0X', '0x'), ...filter }, 10)).map(({ jobId }) => jobId);
    expect(await ids({})).toEqual([accepted.jobId, pending.jobId]);
    expect(await ids({ statuses: [1] })).toEqual([accepted.jobId]);
    expect(await ids({ statuses: [] })).toEqual([]);
    expect(await ids({ environmentId: 'elsewhere' })).toEqual([]);
    expect(await test_.ledger.listJobs({ owner: anAddress() }, 10)).toEqual([]);
  });
});
