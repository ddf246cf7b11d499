/* Which operations the runtime knows: all of them. An exported program brings a file of this name that leaves out what
 * it does not use. */
#ifndef SHIFTLIF_CONFIG_H
#define SHIFTLIF_CONFIG_H

#define SL_WITH_NEURON 1  /* neurons that are not fused behind a synapse */
#define SL_WITH_READOUT 1 /* the same for the read-out */
#define SL_WITH_POOL 1
#define SL_WITH_ADD 1
#define SL_WITH_RESHAPE 1
#define SL_WITH_WEIGHTS_8 1 /* a byte each */
#define SL_WITH_WEIGHTS_4 1 /* two in a byte */
#define SL_MOST_PLANES 31u  /* of the inputs of a synapse */

#endif
