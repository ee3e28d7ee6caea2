import { buffer } from 'node:stream/consumers';
import { publicKeyOf } from '../../../infra/ocean/ecies.ts';
import { parseFileObject } from '../../../infra/ocean/fileObject.ts';
import { createFileSource } from '../../../infra/ocean/fileSource.ts';
import { createProviderListings } from '../../../infra/ocean/providerListing.ts';
import { createProviderSource, type ProviderFile } from '../../../infra/ocean/providerSource.ts';
import { publishAsset, type AssetTemplate } from '../../../infra/toolchain/chain/publishAsset.ts';
import { createJobFiles } from '../../../workers/gateway/jobFiles.ts';
import { startLegacyProvider, type LegacyProvider } from '../../support/legacyProvider.ts';
import {
  aStage,
  container,
  orderedInput,
  sendOperator,
  signedStart,
  startOperatorWorld,
  type OperatorWorld,
} from './support/operatorWorld.ts';

let operator: OperatorWorld;
let legacy: LegacyProvider;
beforeAll(async () => {
  [operator, legacy] = await Promise.all([startOperatorWorld(), startLegacyProvider()]);
  legacy.consumerAddress = operator.world.ocean.providerAddress;
}, 60_000);
afterAll(async () => {
  await Promise.all([operator.close(), legacy.close()]);
});

/** Published for that Provider and nobody else: its files are encrypted to a key that is not ours. */
const publish = async (asset: AssetTemplate, files: readonly string[], txId: string) => {
  const { chain } = operator.world;
  const providerPublicKey = publicKeyOf(operator.provider.privateKey);
  const { did, serviceIds } = await publishAsset({
    chain,
    signer: chain.accounts.publisher,
    providerPublicKey,
    providerUrl: legacy.url,
    asset,
    form: {},
  });
  legacy.hold({ documentId: did, serviceId: serviceIds[0]!, transferTxId: txId, files });
  return { did, serviceId: serviceIds[0]! };
};

/** As orchestrator and gateway go on with a job that was accepted. @returns texts of all files by their place */
const stage = async (jobId: string): Promise<Record<string, string>> => {
  const { ledger } = operator.opened;
  const { ocean, chain } = operator.world;
  const { guardedFetch } = ocean;
  const prepareFiles = createProviderListings({ guardedFetch, listings: ledger });
  await prepareFiles(await ledger.readAdmission(jobId), { patienceSeconds: 5, signal: AbortSignal.timeout(20_000) });
  const source = createProviderSource(
    { guardedFetch, privateKey: chain.accounts.provider.privateKey, nonces: ledger },
    createFileSource({ guardedFetch, ipfsGateway: '', arweaveGateway: '', chains: new Map() }),
  );
  const job = await createJobFiles({ ledger, assets: { filesOf: (snapshot) => ocean.filesOf(snapshot), parseFileObject } })(jobId);
  const texts: Record<string, string> = {};
  for (const { planned, origin } of job.files) {
    if (origin === null) continue;
    const { file, userdata } = job.sourceOf(origin);
    const opened = await source.open(file as ProviderFile, { start: 0, userdata, signal: AbortSignal.timeout(10_000) });
    texts[planned.path] = (await buffer(opened.stream)).toString();
  }
  return texts;
};

describe('a job of a legacy Provider', () => {
  test('runs on what that Provider hands out for its orders, though nothing of it can be decrypted here', async () => {
    const files = [{ type: 'url', url: 'http://10.0.0.1/private', method: 'GET' }];
    const services = [{ type: 'compute', timeout: 0, compute: { allowRawAlgorithm: true }, files }] as const;
    const dataset = await publish({ type: 'dataset', services }, ['rows', 'more rows'], '0xd1');
    const algorithm = await publish(
      { type: 'algorithm', algorithm: { language: 'js', version: '1', container }, services: [{ type: 'access', timeout: 0, files }] },
      ['console.log(2)'],
      '0xa1',
    );
    const input = orderedInput(dataset.did, dataset.serviceId, {
      remote: { txId: '0xd1', serviceId: dataset.serviceId, userdata: { rows: 'all' } },
    });
    const remote = { txId: '0xa1', serviceId: algorithm.serviceId, userData: null };
    const workflow = { stages: [aStage({ input: [input], algorithm: { id: algorithm.did, rawcode: '', container, remote } })] };
    const { status, body } = await sendOperator(operator.app, 'post', 'compute', signedStart(operator, { workflow }));
    // the Provider, which may have one worker only, was asked nothing while it waited
    expect([status, legacy.downloads.length, legacy.nonces.size]).toEqual([200, 0, 0]);

    const folder = dataset.did.slice('did:op:'.length);
    expect(await stage(body[0].jobId)).toEqual({
      'transformations/algorithm': 'console.log(2)',
      [`inputs/${folder}/0`]: 'rows',
      [`inputs/${folder}/1`]: 'more rows',
    });
    expect(legacy.downloads.map((query) => [query.get('transferTxId'), query.get('userdata')])).toEqual([
      ['0xa1', null],
      ['0xd1', '{"rows":"all"}'],
      ['0xd1', '{"rows":"all"}'],
    ]);
  });

  test('fails for an order that is for somebody else', async () => {
    const files = [{ type: 'url', url: 'http://10.0.0.1/private', method: 'GET' }];
    const services = [{ type: 'compute', timeout: 0, compute: { allowRawAlgorithm: true }, files }] as const;
    const dataset = await publish({ type: 'dataset', services }, ['rows'], '0xd2');
    const workflow = { stages: [aStage({ input: [orderedInput(dataset.did, dataset.serviceId)] })] };
    const { body } = await sendOperator(operator.app, 'post', 'compute', signedStart(operator, { workflow }));
    await expect(stage(body[0].jobId)).rejects.toMatchObject({ name: 'SourceFailure', kind: 'permanent' });
  });
});
