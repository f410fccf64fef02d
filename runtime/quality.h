/* Measures of features beyond the classifiers of evaluate.h: retrieval, clusters, few examples, and
 * the spread of rows. All results have the same bits for any number of threads. Each function
 * returns false if memory runs out or a signal ends it. */
#ifndef COUPLET_RUNTIME_QUALITY_H
#define COUPLET_RUNTIME_QUALITY_H

#include "runtime/evaluate.h"

/* Computes recall at k, in percent: the share of queries for which one of the k nearest rows of the
 * bank, by cosine, has the query's label (Jegou, Douze, Schmid: Product Quantization. PAMI 33,
 * 2011). Only k and `own` of `how` are read. */
bool couplet_recall(CoupletThreads *threads, const CoupletFeatures *bank,
                    const CoupletFeatures *query, int class_count, const CoupletNeighbours *how,
                    double *percent);

/* Computes the mean average precision, in percent (Manning, Raghavan, Schuetze: Introduction to
 * Information Retrieval, 2008, section 8.4). The rows of the bank are ranked by their cosine with
 * the query; of equal rows the earlier comes first. The precision at each row with the query's
 * label is averaged over these rows, and then over the queries that have such a row. `own` is that
 * of CoupletNeighbours. */
bool couplet_mean_precision(CoupletThreads *threads, const CoupletFeatures *bank,
                            const CoupletFeatures *query, const int32_t *own, double *percent);

/* The agreement of clusters with classes by several measures, each times 100. */
typedef struct CoupletAgreement {
    /* Normalised mutual information, 2 I / (H + H): Strehl, Ghosh, JMLR 3, 2002, with the
     * arithmetic mean of the entropies. */
    double nmi;
    double ari; /* the adjusted Rand index: Hubert, Arabie, Journal of Classification 2, 1985 */
    /* The accuracy under the best assignment of classes to clusters, each class at most once: Xie,
     * Girshick, Farhadi, ICML 2016, eq. (10). */
    double accuracy;
} CoupletAgreement;
/* Compares the cluster and the class of each sample. */
bool couplet_agreement(const int32_t *members, int64_t clusters, const int32_t *labels,
                       int64_t classes, int64_t count, CoupletAgreement *out);
/* Clusters rows by spherical k-means (kmeans.h, at most 100 rounds, always with the same draws) and
 * compares the clusters with the labels. 1 <= clusters <= rows->count. */
bool couplet_cluster_agreement(CoupletThreads *threads, const CoupletFeatures *rows,
                               int64_t clusters, int64_t classes, CoupletAgreement *out);

typedef struct CoupletFewShot {
    int64_t ways, shots; /* the classes of an episode, and the examples of each class */
    int64_t episodes;
} CoupletFewShot;
/* Returns the number of classes with examples enough for an episode: `shots`, and one to
 * predict. */
int64_t couplet_few_shot_classes(const CoupletFeatures *rows, int64_t classes, int64_t shots);
/* Computes few-shot accuracy, in percent. In each episode, up to 15 further rows of each class are
 * assigned to the class whose examples have the nearest mean; all rows have length 1 (Snell,
 * Swersky, Zemel: Prototypical Networks, NIPS 2017; Wang et al.: SimpleShot, 2019, L2N). The
 * episodes are the same for all features. `ways` is at least 2 and at most
 * couplet_few_shot_classes. */
bool couplet_few_shot(const CoupletFeatures *rows, int64_t classes, const CoupletFewShot *how,
                      double *percent);

/* Computes uniformity: log of the mean over all pairs of rows of exp(-t |x - y|^2), for rows of
 * length 1 (Wang, Isola: Understanding Contrastive Representation Learning, ICML 2020, eq. (5)). It
 * is 0 at collapse; lower is better. There must be at least two rows. */
bool couplet_uniformity(CoupletThreads *threads, const CoupletFeatures *rows, double t,
                        double *value);
/* Computes the alignment of classes: the mean of |x - y|^2 over all pairs of rows with one label,
 * for rows of length 1 (Wang, Isola, ICML 2020, eq. (4), where the rows of a class are each other's
 * positives). It is 0 if each class is one point; lower is better. It is NAN if no two rows have
 * one label. */
bool couplet_alignment(CoupletThreads *threads, const CoupletFeatures *rows, double *value);
/* Computes the effective rank: exp of the entropy of the singular values divided by their sum (Roy,
 * Vetterli, EUSIPCO 2007; RankMe: Garrido et al., ICML 2023). It is 1 at collapse, and at most the
 * width. It is 0 for rows of zeros. */
bool couplet_effective_rank(CoupletThreads *threads, const CoupletFeatures *rows, double *value);

/* Computes the eigenvalues of a symmetric matrix a[n, n], ascending, by Householder's reduction and
 * the QL algorithm (Wilkinson, Reinsch: Handbook for Automatic Computation II, 1971, tred1 and
 * tql1). `a` is overwritten, and work[n] is used. Returns false if the iteration does not
 * converge. */
bool couplet_eigenvalues(double *a, int64_t n, double *values, double *work);

#endif
