/** A local chain with Ocean's contracts and funded accounts: for tests, development and the demo. */

import { writeFileSync } from 'node:fs';
import { HDNodeWallet, JsonRpcProvider, Mnemonic, Network } from 'ethers';
import { callRpc, localChainId, startAnvil } from './anvil.ts';
import { deployContracts, type OceanContracts } from './deployContracts.ts';

/** Publicly known test accounts; each has 10,000 ether on a local chain and nothing anywhere else. */
export interface ChainAccounts {
  readonly deployer: HDNodeWallet;
  readonly publisher: HDNodeWallet;
  readonly consumer: HDNodeWallet;
  readonly otherConsumer: HDNodeWallet;
  readonly provider: HDNodeWallet;
  readonly environment: HDNodeWallet;
}

/** A running local chain. */
export interface LocalChain {
  readonly rpcUrl: string;
  readonly chainId: 8996;
  readonly contracts: OceanContracts;
  readonly accounts: ChainAccounts;
  /** shared by the accounts */
  readonly provider: JsonRpcProvider;
  /** writes the contracts' addresses as ocean.js reads them from ADDRESS_FILE */
  addressFile(path: string): void;
  /** moves the chain's clock forward and mines one block */
  advance(seconds: number): Promise<void>;
  /** mines empty blocks */
  mine(blocks: number): Promise<void>;
  close(): Promise<void>;
}

const phrase = 'test test test test test test test test test test test junk';

const deriveAccounts = (provider: JsonRpcProvider): ChainAccounts => {
  const mnemonic = Mnemonic.fromPhrase(phrase);
  const account = (index: number): HDNodeWallet => HDNodeWallet.fromMnemonic(mnemonic, `m/44'/60'/0'/0/${index}`).connect(provider);
  return {
    deployer: account(0),
    publisher: account(1),
    consumer: account(2),
    otherConsumer: account(3),
    provider: account(4),
    environment: account(5),
  };
};

const describeAddresses = (contracts: OceanContracts): unknown => ({
  development: {
    chainId: localChainId,
    startBlock: 0,
    Ocean: contracts.ocean,
    Router: contracts.router,
    FixedPrice: contracts.fixedRateExchange,
    Dispenser: contracts.dispenser,
    ERC20Template: { 1: contracts.datatokenTemplate, 2: contracts.enterpriseTemplate },
    ERC721Template: { 1: contracts.nftTemplate },
    ERC721Factory: contracts.erc721Factory,
    Escrow: contracts.escrow,
    AccessListFactory: contracts.accessListFactory,
    MockUSDC: contracts.usdc,
  },
});

/**
 * Starts the chain and deploys the contracts; about a second, less when `dataFolder` holds an earlier chain.
 * @param options.port 0 or absent takes a free one
 */
export const startChain = async (options: { readonly dataFolder?: string; readonly port?: number } = {}): Promise<LocalChain> => {
  const anvil = await startAnvil(options);
  const network = Network.from(localChainId);
  const provider = new JsonRpcProvider(anvil.rpcUrl, network, {
    staticNetwork: network,
    cacheTimeout: -1,
    pollingInterval: 20,
    batchStallTime: 0,
  });
  const accounts = deriveAccounts(provider);
  const close = async (): Promise<void> => {
    provider.destroy();
    await anvil.close();
  };
  try {
    const contracts = await deployContracts(anvil.rpcUrl, accounts.deployer);
    return {
      rpcUrl: anvil.rpcUrl,
      chainId: localChainId,
      contracts,
      accounts,
      provider,
      addressFile: (path) => writeFileSync(path, JSON.stringify(describeAddresses(contracts), null, 2)),
      advance: async (seconds) => {
        await callRpc(anvil.rpcUrl, [{ method: 'evm_increaseTime', params: [seconds] }]);
        await callRpc(anvil.rpcUrl, [{ method: 'evm_mine', params: [] }]);
      },
      mine: async (blocks) => void (await callRpc(anvil.rpcUrl, [{ method: 'anvil_mine', params: [`0x${blocks.toString(16)}`] }])),
      close,
    };
  } catch (err) {
    await close();
    throw err;
  }
};
