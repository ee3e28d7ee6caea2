/** Orders on a local chain, as clients make them. */

import type { Signer } from 'ethers';
import { loadArtifact } from './artifacts.ts';
import { send, type ContractCall } from './send.ts';
import type { LocalChain } from './startChain.ts';

/** A provider fee as the provider's initialize answers give it. */
export interface OrderFee {
  readonly providerFeeAddress: string;
  readonly providerFeeToken: string;
  readonly providerFeeAmount: string;
  readonly v: number;
  readonly r: string;
  readonly s: string;
  readonly validUntil: number;
  readonly providerData: string;
}

export interface OrderRequest {
  readonly datatokenAddress: string;
  /** who may consume: usually the environment's address */
  readonly consumer: string;
  readonly serviceIndex: number;
  readonly providerFee: OrderFee;
}

const zeroAddress = `0x${'0'.repeat(40)}`;
const noMarketFee = { consumeMarketFeeAddress: zeroAddress, consumeMarketFeeToken: zeroAddress, consumeMarketFeeAmount: 0n };
const oneToken = 10n ** 18n;

const onDatatoken = (to: string, method: string): ContractCall => ({ to, method, abi: loadArtifact('ERC20Template').abi });

/** Gives `to` whole datatokens; `minter` is the asset's publisher. */
export const mintDatatokens = async (
  minter: Signer,
  { datatokenAddress, to, tokens = 1 }: { readonly datatokenAddress: string; readonly to: string; readonly tokens?: number },
): Promise<void> => {
  await send(minter, onDatatoken(datatokenAddress, 'mint'), to, BigInt(tokens) * oneToken);
};

/**
 * Orders one service; the payer needs one datatoken.
 * @returns the transaction's hash, the `transferTxId`
 */
export const startOrder = async (payer: Signer, order: OrderRequest): Promise<string> => {
  const { consumer, serviceIndex, providerFee } = order;
  return (await send(payer, onDatatoken(order.datatokenAddress, 'startOrder'), consumer, serviceIndex, providerFee, noMarketFee)).hash;
};

/** Pays new provider fees for an earlier order. @returns the transaction's hash */
export const reuseOrder = async (
  payer: Signer,
  order: { readonly datatokenAddress: string; readonly orderTxId: string; readonly providerFee: OrderFee },
): Promise<string> => {
  const receipt = await send(payer, onDatatoken(order.datatokenAddress, 'reuseOrder'), order.orderTxId, order.providerFee);
  return receipt.hash;
};

/** Orders several services in one transaction through the factory, which becomes the payer. @returns the transaction's hash */
export const startOrders = async (payer: Signer, chain: LocalChain, orders: readonly OrderRequest[]): Promise<string> => {
  const factoryAddress = chain.contracts.erc721Factory;
  for (const address of new Set(orders.map((order) => order.datatokenAddress))) {
    await send(payer, onDatatoken(address, 'approve'), factoryAddress, 100n * oneToken);
  }
  const receipt = await send(
    payer,
    { to: factoryAddress, abi: loadArtifact('ERC721Factory').abi, method: 'startMultipleTokenOrder' },
    orders.map((order) => ({
      tokenAddress: order.datatokenAddress,
      consumer: order.consumer,
      serviceIndex: order.serviceIndex,
      _providerFee: order.providerFee,
      _consumeMarketFee: noMarketFee,
    })),
  );
  return receipt.hash;
};
