// What a step costs as the model grows deeper.
import { growingModel, growthBenchmark } from '../growth.js'

export default growthBenchmark({
  name: 'growth-layers',
  title: 'One step as the model grows deeper (256 tokens)',
  x: 'layers',
  values: { full: [2, 4, 8, 16, 24], quick: [1, 2] },
  size: layers => ({ config: growingModel(layers), batch: 1, length: 256 }),
})
