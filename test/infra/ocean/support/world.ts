/** A chain with Ocean's contracts, a provider connected to it, and a data owner's server. */

import { computeEnvironment, type ComputeEnvironment } from '../../../../infra/environments/environments.ts';
import { chainConfig } from '../../../../infra/ocean/config.ts';
import { publicKeyOf } from '../../../../infra/ocean/ecies.ts';
import { connectOcean, type Ocean } from '../../../../infra/ocean/ocean.ts';
import type { QuoteRequest, QuotedService } from '../../../../infra/ocean/quote.ts';
import { createGuardedFetcher, type GuardedFetch } from '../../../../infra/outbound/guardedFetch.ts';
import { mintDatatokens, startOrder, type OrderFee } from '../../../../infra/toolchain/chain/orders.ts';
import {
  publishAsset,
  type AssetTemplate,
  type DocumentForm,
  type PublishedAsset,
} from '../../../../infra/toolchain/chain/publishAsset.ts';
import { startChain, type LocalChain } from '../../../../infra/toolchain/chain/startChain.ts';
import type { JobSpec } from '../../../../workflows/contract/spec.ts';
import { aDatasetRequest, anAlgorithmRequest, aSpec } from '../../../support/builders.ts';
import { startFileServer, type FileServer } from '../../../support/fileServer.ts';
import type { HDNodeWallet } from 'ethers';

export interface World {
  readonly chain: LocalChain;
  readonly ocean: Ocean;
  readonly files: FileServer;
  publish(asset: AssetTemplate, options?: { readonly form?: DocumentForm; readonly publicKey?: string }): Promise<PublishedAsset>;
  /** a dataset whose compute service trusts every algorithm, with what differs */
  publishDataset(
    over?: Partial<AssetTemplate> & { readonly compute?: unknown; readonly timeout?: number; readonly additionalInformation?: unknown },
  ): Promise<PublishedAsset>;
  publishAlgorithm(code?: string): Promise<PublishedAsset>;
  close(): Promise<void>;
}

export const container = { entrypoint: 'node $ALGO', image: 'node', tag: '24', checksum: `sha256:${'a'.repeat(64)}` };

/** Trusts every published algorithm, no raw code. */
export const trustAll = { allowRawAlgorithm: false, publisherTrustedAlgorithms: ['*'] };

export const anEnvironment = (over: Readonly<Record<string, unknown>> = {}): ComputeEnvironment =>
  computeEnvironment.parse({ id: 'small', free: {}, maxJobDuration: 1_200, ...over });

const urlFile = (url: string) => ({ type: 'url', url, method: 'GET' });

/** What may differ. */
export interface WorldOptions {
  readonly confirmations?: number;
  readonly metadataCacheUrl?: string;
  /** narrows the way out to data sources further */
  readonly restrict?: (fetch: GuardedFetch, files: FileServer) => GuardedFetch;
}

/** Starts everything; one world a test file, because it takes a second. */
export const startWorld = async ({
  confirmations = 1,
  metadataCacheUrl,
  restrict = (fetch) => fetch,
}: WorldOptions = {}): Promise<World> => {
  const [chain, files] = await Promise.all([startChain(), startFileServer()]);
  const { publisher, provider } = chain.accounts;
  const outbound = createGuardedFetcher({
    ...{ allowedNetworks: ['127.0.0.1'], connectTimeoutMs: 2_000, headersTimeoutMs: 5_000, idleTimeoutMs: 5_000 },
  });
  const ocean = connectOcean({
    chains: [
      chainConfig.parse({
        ...{ chainId: 8996, rpcUrl: chain.rpcUrl, confirmations },
        ...{ erc721FactoryAddress: chain.contracts.erc721Factory, escrowAddress: chain.contracts.escrow, feeToken: chain.contracts.ocean },
      }),
    ],
    providerPrivateKey: provider.privateKey,
    ipfsGateway: 'http://127.0.0.1:9',
    arweaveGateway: 'http://127.0.0.1:9',
    guardedFetch: restrict(outbound.fetch, files),
    metadataCacheUrl,
  });
  const publish: World['publish'] = (asset, { form = {}, publicKey = publicKeyOf(provider.privateKey) } = {}) =>
    publishAsset({ chain, signer: publisher, providerPublicKey: publicKey, providerUrl: 'http://127.0.0.1:8030', asset, form });
  return {
    ...{ chain, ocean, files, publish },
    publishDataset: ({ compute = trustAll, timeout = 3_600, additionalInformation, ...over } = {}) => {
      const contents = [urlFile(files.serve('data'))];
      const information = additionalInformation === undefined ? {} : { additionalInformation };
      return publish({ type: 'dataset', services: [{ type: 'compute', timeout, compute, files: contents, ...information }], ...over });
    },
    publishAlgorithm: (code = 'console.log(1)') =>
      publish({
        type: 'algorithm',
        algorithm: { language: 'js', version: '1', container },
        services: [{ type: 'access', timeout: 3_600, files: [urlFile(files.serve(code))] }],
      }),
    close: async () => {
      ocean.close();
      await Promise.all([outbound.close(), files.close(), chain.close()]);
    },
  };
};

/** A start request for one dataset and one algorithm. */
export const aJob = (
  world: World,
  {
    dataset,
    algorithm,
    ...over
  }: { dataset: PublishedAsset; algorithm: PublishedAsset | null } & Omit<Partial<JobSpec>, 'algorithm'> & {
      datasetTx?: string | null;
      algorithmTx?: string | null;
      serviceId?: string;
    },
): JobSpec => {
  const { datasetTx = null, algorithmTx = null, serviceId = dataset.serviceIds[0]!, ...rest } = over;
  const published = algorithm === null ? {} : { documentId: algorithm.did, serviceId: algorithm.serviceIds[0]! };
  const raw = { rawcode: 'console.log(1)', url: null, fileObject: null, container };
  return aSpec({
    ...{ surface: 'node', isFree: false, environmentId: 'small', chainId: 8996, maxJobDuration: 60 },
    consumerAddress: world.chain.accounts.consumer.address,
    datasets: [aDatasetRequest({ documentId: dataset.did, serviceId, transferTxId: datasetTx })],
    algorithm: anAlgorithmRequest({
      documentId: null,
      serviceId: null,
      raw: algorithm === null ? raw : null,
      ...published,
      transferTxId: algorithmTx,
    }),
    ...rest,
  });
};

/** A quote request for the same job. */
export const quoteOf = (spec: JobSpec, over: Partial<QuoteRequest> = {}): QuoteRequest => ({
  ...{ surface: 'node', payment: null, queueMaxWaitTime: 0, validUntil: null },
  ...{ consumerAddress: spec.consumerAddress, datasets: spec.datasets, algorithm: spec.algorithm, maxJobDuration: spec.maxJobDuration },
  ...over,
});

/** The provider's fee for a quoted service. */
export const feeOf = (quoted: QuotedService | null | undefined): OrderFee => {
  if (quoted?.providerFee === undefined) throw new Error('the quote has no provider fee');
  return quoted.providerFee;
};

/** Pays for one quoted service as a client does. @returns the transaction's hash */
export const payFor = async (
  world: World,
  quoted: QuotedService | null | undefined,
  {
    payer = world.chain.accounts.consumer,
    serviceIndex = 0,
    consumer,
  }: { payer?: HDNodeWallet; serviceIndex?: number; consumer?: string } = {},
): Promise<string> => {
  if (quoted === null || quoted === undefined) throw new Error('nothing to pay for');
  await mintDatatokens(world.chain.accounts.publisher, { datatokenAddress: quoted.datatoken, to: payer.address });
  const order = { datatokenAddress: quoted.datatoken, consumer: consumer ?? quoted.consumerAddress, serviceIndex };
  return startOrder(payer, { ...order, providerFee: feeOf(quoted) });
};
