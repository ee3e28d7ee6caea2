/** What a consumer does before a job can start: ask for the terms, order every asset. */

import type { Consumer } from './consumer.ts';
import type { ClientEnvironment, ComputeAlgorithm, ComputeAsset, PublishedAsset } from './clientTypes.ts';

/** Assets that one job uses. */
export interface JobAssets {
  readonly environment: ClientEnvironment;
  readonly datasets: readonly PublishedAsset[];
  readonly algorithm: PublishedAsset;
  /** seconds */
  readonly maxJobDuration: number;
  /** token in which the environment would be paid */
  readonly token: string;
}

/** The ordered assets, as a start request names them. */
export interface OrderedAssets {
  readonly datasets: readonly ComputeAsset[];
  readonly algorithm: ComputeAlgorithm;
}

/** An asset as a request names it, without an order. */
export const nameAsset = ({ did, serviceId }: PublishedAsset): { documentId: string; serviceId: string } => ({
  documentId: did,
  serviceId,
});

/** Asks the service for the terms and orders every asset on chain; orders that are still good are kept. */
export const orderAssets = async (consumer: Consumer, assets: JobAssets): Promise<OrderedAssets> => {
  const { environment, datasets, algorithm, maxJobDuration, token } = assets;
  const quote = await consumer.initializeCompute({
    environment: environment.id,
    datasets: datasets.map(nameAsset),
    algorithm: nameAsset(algorithm),
    maxJobDuration,
    token,
  });
  const { consumerAddress } = environment;
  const ordered: ComputeAsset[] = [];
  for (const [index, asset] of datasets.entries()) {
    const item = quote.datasets[index];
    if (item === undefined) throw new Error('the service quoted fewer datasets than were asked for');
    ordered.push({ ...nameAsset(asset), transferTxId: await consumer.placeOrder({ asset, quote: item, consumerAddress }) });
  }
  const transferTxId = await consumer.placeOrder({ asset: algorithm, quote: quote.algorithm, consumerAddress });
  return { datasets: ordered, algorithm: { ...nameAsset(algorithm), transferTxId } };
};
