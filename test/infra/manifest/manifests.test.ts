import { createHash } from 'node:crypto';
import { SigningKey, Wallet, computeAddress, sha256 } from 'ethers';
import fc from 'fast-check';
import { canonicalJson } from '../../../infra/manifest/canonicalJson.ts';
import { createManifests, signStatement } from '../../../infra/manifest/manifests.ts';
import { statementOf } from '../../../infra/manifest/statement.ts';
import type { ResultEntry } from '../../../infra/ledger/ledger.ts';
import { preAuthEncoding, type ManifestStatement, type StagedFile } from '../../../workflows/contract/manifest.ts';
import { aDatasetRequest, aSpec, anAdmission } from '../../support/builders.ts';
import { openTestLedger, type TestLedger } from '../../support/databases.ts';

const key = `0x${'42'.repeat(32)}`;
const laterKey = `0x${'43'.repeat(32)}`;
const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

let opened: TestLedger;
beforeAll(async () => {
  opened = await openTestLedger();
});
afterAll(() => opened.close());

const manifestsWith = (privateKey = key, version = '1.2.3') =>
  createManifests({ ledger: opened.ledger, privateKey, version, imagePatienceMs: 300 });
const results: readonly ResultEntry[] = [
  { index: 0, filename: 'a%2Fb.csv', filesize: 5, type: 'output', n: 0, sha256: digestOf('hello') },
  { index: 1, filename: 'algorithm.log', filesize: 0, type: 'algorithmLog', n: 1, sha256: digestOf('') },
];
const staged: readonly StagedFile[] = [{ path: 'inputs/abc/0', role: 'input', sizeBytes: 3, sha256: digestOf('abc') }];
const aTarget = {
  ...{ endpoint: 'https://s3.example', region: 'r', bucket: 'a-bucket', objectKey: 'k/', pathStyle: true, aesKey: 'ab'.repeat(32) },
  ...{ accessKeyId: 'hunter2', secretAccessKey: 'hunter2' },
};
const ran = `sha256:${'7'.repeat(64)}`;

/** A job that has ended with results. */
const endedJob = async (
  over: Parameters<typeof aSpec>[0] = {},
  image: string | null = ran,
  beforeEnd: (jobId: string) => Promise<void> = async () => undefined,
): Promise<string> => {
  const { ledger } = opened;
  const spec = aSpec({ datasets: [aDatasetRequest(), aDatasetRequest()], ...over });
  const { jobId } = spec;
  await ledger.reserveJob({ spec, nonce: null });
  await ledger.acceptJob(jobId, anAdmission(spec));
  await ledger.beginPodAttempt({ jobId, podAttempt: 1, hasPlace: false });
  await ledger.recordStagedFiles({ jobId, podAttempt: 1, files: staged });
  if (image !== null) await ledger.recordImage({ jobId, podAttempt: 1, image });
  await ledger.recordProgress({ jobId, podAttempt: 1, status: 40, reason: 'runs', algorithmStartedAtMs: 1_000 });
  await ledger.recordResults({ jobId, podAttempt: 1, results });
  await beforeEnd(jobId);
  const end = { status: 82, reason: 'exit code 3', exitCode: 3, oomKilled: false };
  await ledger.recordJob({
    jobId,
    podAttempt: 1,
    status: 82,
    reason: 'exit code 3',
    end,
    algorithm: { startedAtMs: 1_000, finishedAtMs: 2_000 },
  });
  return jobId;
};
const statementIn = ({ payload }: { readonly payload: string }) =>
  JSON.parse(Buffer.from(payload, 'base64').toString()) as ManifestStatement;

describe('the canonical form', () => {
  test('is that of RFC 8785', () => {
    const text =
      '{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],"string":"\\u20ac$\\u000F\\u000aA\'\\u0042\\u0022\\u005c\\\\\\"\\/","literals":[null,true,false]}';
    expect(canonicalJson(JSON.parse(text))).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('says the same of equal documents, whatever the order of their keys', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (value) => {
        const shuffled = JSON.parse(JSON.stringify(value), (_name, item: unknown) =>
          typeof item === 'object' && item !== null && !Array.isArray(item) ? Object.fromEntries(Object.entries(item).toReversed()) : item,
        ) as unknown;
        expect(canonicalJson(shuffled)).toBe(canonicalJson(value));
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });
});

describe('the signature', () => {
  test('is over the encoding of DSSE', () => {
    // the example of the protocol's own text
    expect(Buffer.from(preAuthEncoding('http://example.com/HelloWorld', Buffer.from('hello world'))).toString()).toBe(
      'DSSEv1 29 http://example.com/HelloWorld 11 hello world',
    );
  });

  test('names the address of its key and is the same for the same statement', async () => {
    const facts = await opened.ledger.readManifestFacts(await endedJob());
    const statement = statementOf(facts!, { address: new Wallet(key).address, version: '1' });
    const envelope = signStatement(statement, key);
    expect(signStatement(statement, key)).toEqual(envelope);
    const [signature] = envelope.signatures;
    const digest = sha256(preAuthEncoding(envelope.payloadType, Buffer.from(envelope.payload, 'base64')));
    const sig = `0x${Buffer.from(signature!.sig, 'base64').toString('hex')}`;
    expect(computeAddress(SigningKey.recoverPublicKey(digest, sig))).toBe(new Wallet(key).address);
    expect(signature!.keyid).toBe(new Wallet(key).address);
  });
});

describe('a manifest', () => {
  test('says what was ordered, what ran, on what, how it ended and what came out', async () => {
    const jobId = await endedJob();
    const envelope = await manifestsWith().manifestOf(jobId);
    const { _type, subject, predicateType, predicate } = statementIn(envelope!);
    expect([_type, predicateType]).toEqual(['https://in-toto.io/Statement/v1', 'urn:durable-c2d:result-manifest:v1']);
    expect(subject).toEqual(results.map(({ filename, sha256: digest }) => ({ name: filename, digest: { sha256: digest } })));
    const { admission } = (await opened.ledger.readManifestFacts(jobId))!;
    const [dataset] = admission.datasets;
    expect(predicate).toMatchObject({
      job: { id: jobId, environment: 'small', status: 82, reason: 'exit code 3', exitCode: 3, outOfMemory: false, maxRunSeconds: 60 },
      provider: { address: new Wallet(key).address, software: 'durable-c2d', version: '1.2.3' },
      chainId: 8996,
      times: { algorithmStarted: '1970-01-01T00:00:01.000Z', algorithmFinished: '1970-01-01T00:00:02.000Z' },
      algorithm: { image: { reference: 'node:24', promised: null, ran } },
      staged,
      outputs: [
        { index: 0, name: 'a%2Fb.csv', type: 'output', sizeBytes: 5 },
        { index: 1, type: 'algorithmLog' },
      ],
    });
    expect(predicate.datasets[0]).toEqual({
      did: dataset!.did,
      chainId: 8996,
      serviceId: 'compute',
      orderTx: dataset!.transferTxId,
      ddoSha256: digestOf(`{"id":"${dataset!.did}"}`),
    });
    const times = Object.values(predicate.times);
    expect(times.every((time) => time !== null && !Number.isNaN(Date.parse(time)))).toBe(true);
  });

  test('stays as it was signed, also after the key and the release have changed, whoever asks at once', async () => {
    const jobId = await endedJob();
    const first = await Promise.all([manifestsWith().manifestOf(jobId), manifestsWith().manifestOf(jobId)]);
    expect(first[0]).toEqual(first[1]);
    expect(await manifestsWith(laterKey, '9.9.9').manifestOf(jobId)).toEqual(first[0]);
  });

  test('names the image that was promised', async () => {
    const checksum = `sha256:${'c'.repeat(64)}`;
    const facts = (await opened.ledger.readManifestFacts(await endedJob()))!;
    const admission = { ...facts.admission, container: { ...facts.admission.container, checksum } };
    const { predicate } = statementOf({ ...facts, admission, image: null }, { address: '0x', version: '1' });
    expect(predicate.algorithm.image).toEqual({ reference: `node@${checksum}`, promised: checksum, ran: null });
  });

  test('has the CIDs of results in IPFS, and says nothing of CIDs where there are none', async () => {
    const facts = (await opened.ledger.readManifestFacts(await endedJob()))!;
    const inIpfs = facts.row.results.map((entry) => ({ ...entry, cid: `bafkfile${entry.index}`, directoryCid: 'bafydirectory' }));
    const { predicate } = statementOf({ ...facts, row: { ...facts.row, results: inIpfs } }, { address: '0x', version: '1' });
    expect(predicate.outputs.map(({ cid }) => cid)).toEqual(['bafkfile0', 'bafkfile1']);
    expect(predicate.outputsCid).toBe('bafydirectory');
    const elsewhere = statementOf(facts, { address: '0x', version: '1' }).predicate;
    expect(canonicalJson(elsewhere)).not.toMatch(/cid"/i);
  });

  test.each([
    ['results/of/may.tar', 'may.tar'],
    ['may.tar', 'may.tar'],
    ['results/', /^outputs-[0-9a-f]{32}\.tar$/],
  ])('names the archive in which outputs went to %s, with size and digest, and not where it lies', async (objectKey, name) => {
    const output = { ...aTarget, objectKey };
    const delivered = { sizeBytes: 10, sha256: digestOf('archive') };
    const jobId = await endedJob({ output, deliversOutputs: true }, ran, (id) => opened.ledger.recordDelivery(id, delivered));
    const statement = statementIn((await manifestsWith().manifestOf(jobId))!);
    expect(statement.predicate.archive).toEqual({ name: expect.stringMatching(name) as string, encrypted: true, ...delivered });
    expect(statement.predicate.outputs).toHaveLength(2);
    expect(statement.subject).toHaveLength(2);
    expect(JSON.stringify(statement)).not.toMatch(/s3\.example|results\/of|hunter2|a-bucket/);
  });

  test('names no archive where none arrived', async () => {
    for (const over of [{}, { output: aTarget, deliversOutputs: true as const }]) {
      const jobId = await endedJob(over);
      expect(statementIn((await manifestsWith().manifestOf(jobId))!).predicate).not.toHaveProperty('archive');
    }
  });

  test('names the filters that had the outputs, and none where there was none', async () => {
    const filters = [
      { by: 'did:op:1', image: `filter@${ran}`, exitCode: 0 },
      { by: 'environment env', image: 'filter:1', exitCode: null },
    ];
    const jobId = await endedJob({}, ran, async (id) => {
      await opened.ledger.recordFilters({ jobId: id, podAttempt: 1, filters });
      await opened.ledger.recordFilters({ jobId: id, podAttempt: 1, filters: [] });
    });
    expect(statementIn((await manifestsWith().manifestOf(jobId))!).predicate.filters).toEqual(filters);
    expect(statementIn((await manifestsWith().manifestOf(await endedJob()))!).predicate).not.toHaveProperty('filters');
  });

  test('waits for an image that its node tells only after the end, for a while', async () => {
    const jobId = await endedJob({}, null);
    const patient = createManifests({ ledger: opened.ledger, privateKey: key, version: '1', imagePatienceMs: 60_000 });
    const manifest = patient.manifestOf(jobId);
    await opened.ledger.recordImage({ jobId, podAttempt: 1, image: ran });
    expect(statementIn((await manifest)!).predicate.algorithm.image.ran).toBe(ran);
    const never = await manifestsWith().manifestOf(await endedJob({}, null));
    expect(statementIn(never!).predicate.algorithm.image.ran).toBeNull();
  });

  test('is of the pod that published, not of one that was lost', async () => {
    const { ledger } = opened;
    const spec = aSpec();
    const { jobId } = spec;
    await ledger.reserveJob({ spec, nonce: null });
    await ledger.acceptJob(jobId, anAdmission(spec));
    for (const podAttempt of [1, 2]) {
      await ledger.beginPodAttempt({ jobId, podAttempt, hasPlace: false });
      await ledger.recordImage({ jobId, podAttempt, image: `sha256:${String(podAttempt).repeat(64)}` });
      // the first word counts
      await ledger.recordImage({ jobId, podAttempt, image: ran });
    }
    await ledger.recordResults({ jobId, podAttempt: 2, results });
    const end = { status: 70, reason: 'done', exitCode: 0, oomKilled: false };
    await ledger.recordJob({ jobId, podAttempt: 2, status: 70, reason: 'done', end });
    const { predicate } = statementIn((await manifestsWith().manifestOf(jobId))!);
    expect(predicate).toMatchObject({ staged: null, algorithm: { image: { ran: `sha256:${'2'.repeat(64)}` } } });
  });

  test.each([
    ['an unknown job', async () => aSpec().jobId],
    ["the platform's own test", async () => endedJob({ surface: 'selfTest' })],
    [
      'a job that has not ended',
      async () => {
        const spec = aSpec();
        await opened.ledger.reserveJob({ spec, nonce: null });
        return spec.jobId;
      },
    ],
  ])('does not exist for %s', async (_what, make) => {
    expect(await manifestsWith().manifestOf(await make())).toBeNull();
  });
});
