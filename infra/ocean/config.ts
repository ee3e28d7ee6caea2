/** Chains and keys of the provider. */

import { SigningKey } from 'ethers';
import { z } from 'zod';

const address = z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'is not an address');

/** One chain whose assets and orders are accepted. */
export const chainConfig = z.strictObject({
  chainId: z.number().int().positive(),
  rpcUrl: z.url({ protocol: /^https?$/, error: 'is not an http(s) URL' }),
  /** Ocean's ERC721Factory: only assets of its NFTs are accepted */
  erc721FactoryAddress: address,
  /** block in which the factory was deployed, or later: nothing older is looked at */
  startBlock: z.number().int().nonnegative().default(0),
  /** blocks an order must have on top of it, itself included; 0 and 1 take it as soon as it is mined */
  confirmations: z.number().int().nonnegative().max(10_000).default(1),
  /** Ocean's Escrow; absent: quotes carry no payment */
  escrowAddress: address.optional(),
  /** token of provider fees and prices; absent: the zero address */
  feeToken: address.optional(),
  /** name in messages, as Ocean's address.json has it */
  name: z.string().optional(),
});

/** All chains; ids are unique. */
export const chainConfigs = z
  .array(chainConfig)
  .min(1)
  .superRefine((chains, context) => {
    const seen = new Set<number>();
    chains.forEach(({ chainId }, index) => {
      if (seen.has(chainId)) context.addIssue({ code: 'custom', path: [index, 'chainId'], message: 'is used twice' });
      seen.add(chainId);
    });
  });

/** A secp256k1 private key, 0x hex. Messages never quote it. */
export const privateKey = z.string().refine((text) => {
  try {
    new SigningKey(text);
    return true;
  } catch {
    return false;
  }
}, 'is not a private key (0x and 64 hex characters)');

export type ChainConfig = z.output<typeof chainConfig>;
