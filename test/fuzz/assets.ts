/** Assets of a run, published and ordered as clients do it. */

import { mintDatatokens, startOrder, type OrderFee } from '../../infra/toolchain/chain/orders.ts';
import type { PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import type { Service } from './service.ts';

/** A service of an asset, and the transaction of an order of it. */
export interface OrderedService {
  readonly documentId: string;
  readonly serviceId: string;
  readonly transferTxId: string;
}

/** A dataset that takes every algorithm, an algorithm, and a file to download. */
export interface Assets {
  readonly dataset: OrderedService;
  readonly algorithm: OrderedService;
  readonly file: OrderedService;
  /** of the dataset */
  readonly nftAddress: string;
}

interface Quoted {
  readonly datatoken: string;
  readonly providerFee: OrderFee;
}

type Headers = Readonly<Record<string, string>>;

/** Unix time. */
export const inSeconds = (seconds: number): number => Math.floor(Date.now() / 1_000) + seconds;

/** Sends what has to succeed. @throws Error with the answer when it does not */
export const ask = async <Answer>(url: string, method: string, body?: object, headers: Headers = {}): Promise<Answer> => {
  const options = body === undefined ? {} : { body: JSON.stringify(body) };
  const response = await fetch(url, { method, headers: { 'content-type': 'application/json', ...headers }, ...options });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${new URL(url).pathname} was refused before the run: ${response.status} ${text}`);
  return JSON.parse(text) as Answer;
};

const order = async ({ classic }: Service, { datatoken, providerFee }: Quoted, consumer: string): Promise<string> => {
  const { accounts } = classic.world.chain;
  await mintDatatokens(accounts.publisher, { datatokenAddress: datatoken, to: accounts.consumer.address });
  return startOrder(accounts.consumer, { datatokenAddress: datatoken, consumer, serviceIndex: 0, providerFee });
};

const nameService = ({ did, serviceIds }: PublishedAsset) => ({ documentId: did, serviceId: serviceIds[0] ?? '' });

const orderPair = async (service: Service, dataset: PublishedAsset, algorithm: PublishedAsset): Promise<Omit<Assets, 'file'>> => {
  const { world } = service.classic;
  const named = [nameService(dataset), nameService(algorithm)] as const;
  const quote = await ask<{ datasets: [Quoted]; algorithm: Quoted }>(
    `${service.surfaces.classic.front.url}/api/services/initializeCompute`,
    'POST',
    {
      ...{ datasets: [named[0]], algorithm: named[1], compute: { env: 'small', validUntil: inSeconds(3_000) } },
      consumerAddress: world.chain.accounts.consumer.address,
    },
  );
  const environment = world.ocean.providerAddress;
  return {
    dataset: { ...named[0], transferTxId: await order(service, quote.datasets[0], environment) },
    algorithm: { ...named[1], transferTxId: await order(service, quote.algorithm, environment) },
    nftAddress: dataset.nftAddress,
  };
};

const orderFile = async (service: Service, asset: PublishedAsset): Promise<OrderedService> => {
  const consumerAddress = service.classic.world.chain.accounts.consumer.address;
  const file = nameService(asset);
  const query = new URLSearchParams({ ...file, fileIndex: '0', consumerAddress }).toString();
  const quote = await ask<Quoted>(`${service.surfaces.classic.front.url}/api/services/initialize?${query}`, 'GET');
  return { ...file, transferTxId: await order(service, quote, consumerAddress) };
};

/** Publishes and orders all of them. */
export const publishAssets = async (service: Service): Promise<Assets> => {
  const { world } = service.classic;
  const dataset = await world.publishDataset({ compute: { allowRawAlgorithm: true, publisherTrustedAlgorithms: ['*'] } });
  const files = [{ type: 'url', url: world.files.serve('0123456789'), method: 'GET' }];
  const file = await world.publish({ type: 'dataset', services: [{ type: 'access', timeout: 3_600, files }] });
  return { ...(await orderPair(service, dataset, await world.publishAlgorithm())), file: await orderFile(service, file) };
};
