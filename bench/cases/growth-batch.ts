// What a step costs as the batch grows.
import { growingModel, growthBenchmark } from '../growth.js'

export default growthBenchmark({
  name: 'growth-batch',
  title: 'One step as the batch grows (4 layers, 256 tokens a row)',
  x: 'rows of the batch',
  values: { full: [1, 2, 4, 8], quick: [1, 2] },
  size: batch => ({ config: growingModel(4), batch, length: 256 }),
})
