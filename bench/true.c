/* The program that benchmarks start. */
int main(void)
{
    return 0;
}
