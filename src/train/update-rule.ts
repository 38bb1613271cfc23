// What an optimizer is made of: for each parameter a rule that moves it, number by number or as a whole tensor.
import type { Graph } from '../graph/graph.js'
import type { Parameter } from '../model/step.js'
import type { Program } from '../runtime/runtime.js'

/** Kept beside a parameter and saved with it: numbers, or codes of one byte. */
export type StateArray = Float32Array | Uint8Array

/** What changes from step to step. */
export interface StepNumbers {
  /** Updates including this one, from 1. */
  readonly step: number
  readonly learningRate: number
  /** Factor of all gradients. */
  readonly gradientScale: number
}

/** Every number moves by the numbers of its own place, so that one loop runs over parameters of any length. */
export interface ElementwiseRule {
  readonly family: 'elementwise'
  /** Names of the arrays kept beside each parameter. */
  readonly moments: readonly string[]
  /** Inputs p, g, the moments (arrays of any length, written as [1]) and coefficients []; outputs with `_next`, but for g. */
  readonly graph: Graph
  /** The numbers of the graph that change from step to step. */
  coefficients(numbers: StepNumbers, decay: boolean): Readonly<Record<string, number>>
}

/** The update needs the whole tensor at once. */
export interface TensorRule {
  readonly family: 'tensor'
  /** Fresh arrays to keep beside the parameter, by name. */
  createState(parameter: Parameter): Readonly<Record<string, StateArray>>
  /** What the runtime computes of it; compiled once for each shape. */
  graph?(shape: readonly number[]): Graph
  /** Changes the parameter and its state in place. @param program of `graph` for this shape, if the rule has one */
  update(
    parameter: Parameter,
    state: Readonly<Record<string, StateArray>>,
    numbers: StepNumbers,
    program: Program | undefined,
  ): void | Promise<void>
}

type UpdateRule = ElementwiseRule | TensorRule

/** An optimizer's rule for each parameter; equal rules are one object. */
export type RuleChoice = (parameter: Parameter) => UpdateRule
