// Preposition → the cases it can govern.
import type { Case } from './morphology.js'

const table: Readonly<Record<string, readonly Case[]>> = {
  к: ['datv'], ко: ['datv'], благодаря: ['datv'], вопреки: ['datv'], навстречу: ['datv'], согласно: ['datv'], подобно: ['datv'],
  у: ['gent'], от: ['gent'], ото: ['gent'], до: ['gent'], из: ['gent'], изо: ['gent'], без: ['gent'], безо: ['gent'], для: ['gent'],
  около: ['gent'], возле: ['gent'], вокруг: ['gent'], мимо: ['gent'], после: ['gent'], против: ['gent'], напротив: ['gent'],
  кроме: ['gent'], вместо: ['gent'], ради: ['gent'], среди: ['gent'], насчёт: ['gent'], насчет: ['gent'], подле: ['gent'], близ: ['gent'],
  позади: ['gent'], помимо: ['gent'], вроде: ['gent'], накануне: ['gent'], относительно: ['gent'], 'из-за': ['gent'], 'из-под': ['gent'],
  посреди: ['gent'], вне: ['gent'], внутри: ['gent'], сверх: ['gent'], впереди: ['gent'], касательно: ['gent'],
  через: ['accs'], чрез: ['accs'], сквозь: ['accs'], про: ['accs'], несмотря: ['accs'], обо: ['loct', 'accs'],
  над: ['ablt'], надо: ['ablt'], перед: ['ablt'], передо: ['ablt'], пред: ['ablt'], предо: ['ablt'], между: ['ablt', 'gent'], меж: ['ablt', 'gent'],
  о: ['loct', 'accs'], об: ['loct', 'accs'], при: ['loct'], на: ['accs', 'loct'], в: ['accs', 'loct'], во: ['accs', 'loct'],
  с: ['ablt', 'gent', 'accs'], со: ['ablt', 'gent', 'accs'], за: ['accs', 'ablt'], под: ['accs', 'ablt'], подо: ['accs', 'ablt'],
  по: ['datv', 'loct', 'accs'],
} // prettier-ignore

/** Cases the word governs as a preposition, undefined when it is none. */
export function prepositionCases(word: string): readonly Case[] | undefined {
  return Object.hasOwn(table, word.toLowerCase()) ? table[word.toLowerCase()] : undefined
}
