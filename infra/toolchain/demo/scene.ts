/** The demo's cast and props: datasets, their owner's server, the algorithm, all published. */

import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { trustAlgorithm } from './checksums.ts';
import type { AlgorithmMetadata, ContainerSection, PublishedAsset } from './clientTypes.ts';
import type { Consumer } from './consumer.ts';
import type { DataOwner } from './dataOwner.ts';

/** A dataset of the demo. */
export interface DemoDataset {
  readonly name: string;
  readonly description: string;
  /** name under which the owner's server has it */
  readonly served: string;
  readonly file: string;
}

// the package exports code only, not its tables: they are read where npm put them
const dataFolder = path.join(import.meta.dirname, '../../../node_modules/vega-datasets/data');

/** Two real tables of the package vega-datasets. */
export const demoDatasets: readonly DemoDataset[] = [
  {
    name: 'Cars, 1970 to 1982',
    description: 'Fuel consumption and properties of 406 cars (StatLib, Carnegie Mellon University)',
    served: 'cars.json',
    file: path.join(dataFolder, 'cars.json'),
  },
  {
    name: 'Penguins of the Palmer Archipelago',
    description: 'Measurements of 344 penguins (K. Gorman, Palmer Station LTER)',
    served: 'penguins.json',
    file: path.join(dataFolder, 'penguins.json'),
  },
];

/** The algorithm's file in this repository. */
export const algorithmFile = path.join(import.meta.dirname, 'regression.algorithm.js');

/** Name under which the owner's server has the algorithm. */
export const algorithmServedAs = 'regression.js';

/** What the consumer asks the algorithm: consumption by weight, mass by flipper length. */
export const algorithmQuestion = {
  regressions: [
    { x: 'Weight_in_lbs', y: 'Miles_per_Gallon' },
    { x: 'Flipper Length (mm)', y: 'Body Mass (g)' },
  ],
};

/** Publishes the algorithm. */
export const publishDemoAlgorithm = (owner: Consumer, server: DataOwner, container: ContainerSection): Promise<PublishedAsset> => {
  const algorithm: AlgorithmMetadata = { language: 'js', version: '1.0.0', container };
  return owner.publishAsset({
    kind: 'algorithm',
    name: 'Regression with plot',
    description: 'Descriptive statistics and a least squares regression of every dataset',
    files: [{ type: 'url', url: server.url(algorithmServedAs), method: 'GET' }],
    algorithm,
  });
};

/** Publishes one dataset on which this algorithm, unchanged, may compute and nothing else. */
export const publishDemoDataset = async (
  owner: Consumer,
  {
    dataset,
    server,
    algorithm,
    container,
  }: { dataset: DemoDataset; server: DataOwner; algorithm: PublishedAsset; container: ContainerSection },
): Promise<PublishedAsset> =>
  owner.publishAsset({
    kind: 'dataset',
    name: dataset.name,
    description: dataset.description,
    files: [{ type: 'url', url: server.url(dataset.served), method: 'GET' }],
    timeout: 86_400,
    compute: {
      allowRawAlgorithm: false,
      allowNetworkAccess: false,
      publisherTrustedAlgorithmPublishers: [],
      publisherTrustedAlgorithms: [trustAlgorithm(algorithm, [await readFile(algorithmFile)], container)],
    },
  });
