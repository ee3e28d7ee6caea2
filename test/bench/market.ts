/** A dataset for sale, and many consumers each of whom has ordered it. */

import { randomBytes } from 'node:crypto';
import { Wallet } from 'ethers';
import { z } from 'zod';
import { computeEnvironment } from '../../infra/environments/environments.ts';
import { oceanKeys } from '../../infra/ocean/keys.ts';
import type { Ocean } from '../../infra/ocean/ocean.ts';
import { openOcean } from '../../infra/ocean/openOcean.ts';
import { mintDatatokens, startOrder } from '../../infra/toolchain/chain/orders.ts';
import { publishAsset, type PublishedAsset } from '../../infra/toolchain/chain/publishAsset.ts';
import type { EnvironmentSettings } from '../../infra/toolchain/serviceEnvironment.ts';
import { readServiceKeys } from '../../infra/toolchain/serviceKeys.ts';
import type { Stack } from '../../infra/toolchain/stack.ts';
import { aDatasetRequest, anAlgorithmRequest, aSpec } from '../support/builders.ts';
import { fundWallet } from '../support/people.ts';
import type { OrderToCheck } from './startParts.ts';

/** A consumer with a paid order. */
export interface Customer {
  readonly wallet: Wallet;
  readonly transferTxId: string;
}

/** What is sold, and to whom. */
export interface Market {
  readonly dataset: PublishedAsset;
  readonly customers: readonly Customer[];
  /** one more customer's order, which nobody starts a job on */
  readonly order: OrderToCheck;
}

const feeSeconds = 3_600;

const openProvider = async ({ folder, chain }: Stack): Promise<Ocean> => {
  const { chainId, rpcUrl, contracts } = chain;
  const config = { chainId, rpcUrl, erc721FactoryAddress: contracts.erc721Factory, confirmations: 0, feeToken: contracts.ocean };
  const { providerPrivateKey } = await readServiceKeys(folder);
  return openOcean(z.object(oceanKeys).parse({ C2D_CHAINS: JSON.stringify([config]), C2D_PROVIDER_PRIVATE_KEY: providerPrivateKey }));
};

const publish = ({ chain, apiUrl }: Stack, { nodePublicKey }: Ocean): Promise<PublishedAsset> =>
  publishAsset({
    ...{ chain, signer: chain.accounts.publisher, providerPublicKey: nodePublicKey, providerUrl: apiUrl },
    asset: {
      type: 'dataset',
      services: [
        {
          type: 'compute',
          compute: { allowRawAlgorithm: true, publisherTrustedAlgorithms: [], publisherTrustedAlgorithmPublishers: [] },
          files: [{ type: 'url', url: 'http://127.0.0.1:9/dataset', method: 'GET' }],
        },
      ],
    },
  });

const createCustomer = async ({ chain }: Stack, { datatokenAddress }: PublishedAsset): Promise<Wallet> => {
  const wallet = new Wallet(`0x${randomBytes(32).toString('hex')}`, chain.provider);
  await fundWallet(chain.rpcUrl, wallet.address);
  await mintDatatokens(chain.accounts.publisher, { datatokenAddress, to: wallet.address });
  return wallet;
};

/** One order, with a provider fee of nothing for the environment. @returns its transaction */
const placeOrder = (
  { chain }: Stack,
  ocean: Ocean,
  order: { wallet: Wallet; dataset: PublishedAsset; environment: string },
): Promise<string> => {
  const { wallet, dataset, environment } = order;
  const { datatokenAddress, serviceIds } = dataset;
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const providerFee = ocean.signProviderFee({
    ...{ environment, datatokenAddress, serviceId: serviceIds[0] ?? '', token: chain.contracts.ocean, amount: 0n },
    ...{ validUntil: nowSeconds + feeSeconds, timestamp: nowSeconds },
  });
  return startOrder(wallet, { datatokenAddress, consumer: ocean.providerAddress, serviceIndex: 0, providerFee });
};

type OrderContainer = NonNullable<OrderToCheck['spec']['algorithm']['raw']>['container'];

/** What is to be sold. */
export interface MarketOptions {
  readonly count: number;
  readonly environment: EnvironmentSettings;
  readonly container: OrderContainer;
}

/** Publishes, and lets `count` consumers order. The provider's connections last until `close`. */
export const openMarket = async (stack: Stack, options: MarketOptions): Promise<Market & { close(): void }> => {
  const environment = computeEnvironment.parse(options.environment);
  const ocean = await openProvider(stack);
  const dataset = await publish(stack, ocean);
  const customers: Customer[] = [];
  while (customers.length <= options.count) {
    const wallet = await createCustomer(stack, dataset);
    customers.push({ wallet, transferTxId: await placeOrder(stack, ocean, { wallet, dataset, environment: environment.id }) });
  }
  const [first, ...others] = customers;
  if (first === undefined) throw new RangeError('a market has one customer at least');
  const raw = { rawcode: '', url: null, fileObject: null, container: options.container };
  const spec = aSpec({
    ...{ consumerAddress: first.wallet.address, environmentId: environment.id, maxJobDuration: 60 },
    datasets: [aDatasetRequest({ documentId: dataset.did, serviceId: dataset.serviceIds[0] ?? '', transferTxId: first.transferTxId })],
    algorithm: anAlgorithmRequest({ documentId: null, serviceId: null, transferTxId: null, raw }),
  });
  return { dataset, customers: others, order: { ocean, spec, environment }, close: () => ocean.close() };
};
